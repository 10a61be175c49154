"""What `steno doctor` checks of the enricher alone: nothing beyond its settings."""

from steno.doctor.checks import Check
from steno.settings import read
from steno_enricher.settings import EnricherSettings


def checks() -> tuple[EnricherSettings, list[Check]]:
    """Reads the settings from the environment. Raises `SettingsError`."""
    return read(EnricherSettings), []
