"""Live calls of one Steno that are recognised by another one, through the Speech SDK, while both ends are killed."""

import asyncio
from pathlib import Path

import pytest
from support.azure_pair import azure_pair, calls

CALLS, SECONDS = 3, 30


@pytest.mark.timeout(300)
async def test_calls_are_whole_while_both_ends_are_killed(kafka: str, topic_prefix: str, tmp_path: Path) -> None:
    """The transcriber here, ingest and the transcriber there: nothing is lost, nothing is published twice."""
    async with azure_pair(kafka, topic_prefix, tmp_path) as pair:
        worker = pair.near.worker("a")
        await worker.start()
        expected = await pair.transcribe(calls("calm", count=CALLS, seconds=SECONDS))
        killed = asyncio.create_task(pair.transcribe(calls("killed", count=CALLS, seconds=SECONDS)))
        await asyncio.sleep(6)
        await pair.far.kill("ingest")
        await asyncio.sleep(6)
        await worker.kill()
        await worker.start()
        await asyncio.sleep(4)
        await pair.far.kill("transcriber")
        pair.check(await killed, expected)
