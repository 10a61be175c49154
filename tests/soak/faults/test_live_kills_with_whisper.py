"""What Whisper understood of live calls is the same after a kill: decoded again, it comes out as it would have at first."""

from pathlib import Path

import pytest
from support.live_faults import Fault, survive, undisturbed
from support.suite import running_suite


@pytest.mark.timeout(300)
async def test_whispers_words_are_the_same_after_a_kill(tmp_path: Path) -> None:
    """The embedded engine, on a few calls: what is decoded again comes out as it would have come out at first."""
    async with running_suite(tmp_path / "data", {"STENO_INGEST_SECOND_PASS": "false"}) as suite:
        calm = await undisturbed(suite)
        assert any("card" in phrase[3].lower() for phrases in calm.values() for phrase in phrases)
        faults: dict[str, Fault] = {"kill the only worker": lambda: suite.kill("transcriber")}
        await survive(suite, calm, faults, calls=3, speed=1.5)
