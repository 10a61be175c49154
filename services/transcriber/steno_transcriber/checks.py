"""What `steno doctor` checks of the transcriber alone: its models, its objects, and the disk of its temporary files."""

import asyncio
import tempfile
from functools import partial
from pathlib import Path

from steno.doctor.checks import Check
from steno.doctor.findings import Finding, error, ok
from steno.doctor.service_checks import folder_space, objects_check
from steno.settings import read
from steno_transcriber.models.errors import ModelError
from steno_transcriber.models.store import ModelStore
from steno_transcriber.settings import TranscriberSettings

_DIGEST_SECONDS = 120.0


def checks() -> tuple[TranscriberSettings, list[Check]]:
    """Reads the settings from the environment, and makes the checks. Raises `SettingsError`."""
    settings = read(TranscriberSettings)
    temporary = settings.temporary_folder or Path(tempfile.gettempdir())
    found = [objects_check(settings), Check(name="transcriber temporary files", run=partial(folder_space, temporary))]
    if "whisper" in settings.engine:
        # It reads the whole of each model.
        found += [
            Check(name=f"model {name}", run=partial(_check_model, name), seconds=_DIGEST_SECONDS) for name in settings.model
        ]
    return settings, found


async def _check_model(name: str) -> list[Finding]:
    try:
        folder = await asyncio.to_thread(ModelStore().resolve, name)
    except ModelError as failure:
        return [error(f"model {name}", str(failure), f"`steno models pull {name}`, or correct STENO_TRANSCRIBER_MODEL")]
    return [ok(f"model {name}", f"its files are as they should be, in {folder}")]
