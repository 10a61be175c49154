"""What `steno doctor` checks of ingest alone: its ledger and its objects."""

from steno.doctor.checks import Check
from steno.doctor.databases import database_check
from steno.doctor.service_checks import objects_check
from steno.settings import read
from steno_ingest.settings import IngestSettings


def checks() -> tuple[IngestSettings, list[Check]]:
    """Reads the settings from the environment, and makes the checks. Raises `SettingsError`."""
    settings = read(IngestSettings)
    return settings, [objects_check(settings), database_check("ingest", settings.database_url.get_secret_value())]
