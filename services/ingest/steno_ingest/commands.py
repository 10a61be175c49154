"""`steno ingest`: what an operator does for ingest by hand."""

from steno.cli.database import database_commands
from steno.settings import read


def _database_url() -> str:
    # Imported here: it takes a while, and all other commands do without.
    from steno_ingest.settings import IngestSettings

    return read(IngestSettings).database_url.get_secret_value()


app = database_commands("ingest", _database_url)
