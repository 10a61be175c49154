"""The operator's commands under `steno ingest`."""

from steno.cli.database import database_commands
from steno.settings import read


def _database_url() -> str:
    # Imported here because it is slow, and other commands do not need it.
    from steno_ingest.settings import IngestSettings

    return read(IngestSettings).database_url.get_secret_value()


app = database_commands("ingest", _database_url)
