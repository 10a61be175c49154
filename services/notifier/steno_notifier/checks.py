"""What `steno doctor` checks of the notifier alone: its deliveries."""

from steno.doctor.checks import Check
from steno.doctor.databases import database_check
from steno.settings import read
from steno_notifier.settings import NotifierSettings


def checks() -> tuple[NotifierSettings, list[Check]]:
    """Reads the settings from the environment, and makes the checks. Raises `SettingsError`."""
    settings = read(NotifierSettings)
    return settings, [database_check("notifier", settings.database_url.get_secret_value())]
