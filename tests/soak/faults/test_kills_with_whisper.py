"""What Whisper understood of recordings is the same after a kill of everything that handles them."""

from pathlib import Path

import pytest
from support.recording_faults import survive_kills
from support.suite import running_suite


@pytest.mark.timeout(600)
async def test_twenty_recordings_by_whisper_survive_a_kill_of_everything(tmp_path: Path) -> None:
    """kill -9 of each service and of the broker: 20 completed, once each, same text, no dead letter, ledger balanced."""
    async with running_suite(tmp_path / "data", {}) as suite:
        await survive_kills(suite)
