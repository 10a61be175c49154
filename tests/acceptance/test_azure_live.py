"""Live calls of one Steno that are recognised by another one, through the Speech SDK (kills of everything: `make soak`)."""

import asyncio
from pathlib import Path

from support.azure_pair import azure_pair, calls

SECONDS = 14


async def test_a_call_is_whole_while_its_connection_is_lost(kafka: str, topic_prefix: str, tmp_path: Path) -> None:
    """Ingest there is killed: the SDK connects again, nothing is lost, and nothing is published twice."""
    async with azure_pair(kafka, topic_prefix, tmp_path) as pair:
        await pair.near.worker("a").start()
        killed = asyncio.create_task(pair.transcribe(calls("killed", count=1, seconds=SECONDS)))
        await asyncio.sleep(4)
        await pair.far.kill("ingest")
        found = await killed
        pair.check(found, await pair.transcribe(calls("calm", count=1, seconds=SECONDS), faster=6))
