"""The command `steno notifier`, for operators."""

from steno.cli.database import database_commands
from steno.settings import read


def _database_url() -> str:
    # Imported here: it takes a while, and all other commands do without.
    from steno_notifier.settings import NotifierSettings

    return read(NotifierSettings).database_url.get_secret_value()


app = database_commands("notifier", _database_url)
