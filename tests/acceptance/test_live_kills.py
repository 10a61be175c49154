"""Live calls go on whatever is killed: the finals are those of an undisturbed run, word for word with their times."""

from pathlib import Path

import pytest
from support.live_faults import Fault, survive, undisturbed
from support.suite import running_suite

SCRIPTED = {"STENO_TRANSCRIBER_ENGINE": "scripted", "STENO_INGEST_SECOND_PASS": "false"}


@pytest.mark.timeout(300)
async def test_calls_survive_a_kill_of_each_service_and_of_the_only_broker(tmp_path: Path) -> None:
    """With nobody to take over, whoever is started again goes on where the dead one was."""
    async with running_suite(tmp_path / "data", SCRIPTED) as suite:
        calm = await undisturbed(suite)
        faults: dict[str, Fault] = {
            "kill the only worker": lambda: suite.kill("transcriber"),
            "kill the only broker": lambda: suite.kill("broker"),
            "kill ingest": lambda: suite.kill("ingest"),
            "kill the enricher": lambda: suite.kill("enricher"),
        }
        # The shortest call lasts 23 s so, and the last fault comes after 18 at the latest.
        await survive(suite, calm, faults, calls=10, speed=1.8)
