"""Any process may be killed at any moment, the broker too: nothing is lost, nothing comes twice, the text stays the same."""

from pathlib import Path

import pytest
from support.recording_faults import survive_kills
from support.suite import running_suite


@pytest.mark.timeout(300)
async def test_twenty_recordings_survive_a_kill_of_everything(tmp_path: Path) -> None:
    """kill -9 of each service and of the broker: 20 completed, once each, same text, no dead letter, ledger balanced."""
    async with running_suite(tmp_path / "data", {"STENO_TRANSCRIBER_ENGINE": "scripted"}) as suite:
        await survive_kills(suite)
