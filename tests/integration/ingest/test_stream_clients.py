"""Clients of Steno's own door against ingest: the one that comes back, and the short example."""

import asyncio
import itertools
import struct
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from support.ingest_process import KEY, IngestProcess, eventually
from support.kafka import read_all
from support.live_transcript import transcribe

from steno.cli.clients.audio import open_call_audio, paced
from steno.cli.clients.stream import CallDescription, CallRefused, StreamClient, StreamPlayer
from steno.events.codec import Codec
from steno.events.records import AudioChunk, CallEnded, CallStarted, Record
from steno.events.schemas import ShippedSchemaIds
from steno.local_ports import free_port

ROOT = Path(__file__).parents[3]
SAMPLE = ROOT / "samples" / "lost-card.wav"
CODEC = Codec(ShippedSchemaIds())
FRAME_MS = 20
_SECONDS = 120
"""How long a service may take to start again on a machine that is busy."""

pytestmark = pytest.mark.timeout(240)


async def log_of_calls(servers: str, prefix: str) -> list[Record]:
    """What stands in the log of all calls; in order, where there is one."""
    return [CODEC.decode(message.value) for message in await read_all(servers, f"{prefix}call-audio")]


def heard(records: list[Record]) -> bytes:
    """The audio as a consumer takes it: each number once."""
    audio, last = b"", -1
    for record in records:
        if isinstance(record, AudioChunk) and record.sequence > last:
            audio, last = audio + record.audio, record.sequence
    return audio


async def test_a_caller_survives_the_death_of_ingest(kafka: str, topic_prefix: str, tmp_path: Path) -> None:
    """Ingest is killed while a call plays: the log has the recording, one start and one end."""
    audio = open_call_audio(SAMPLE)
    frames = list(itertools.islice(audio.frames(FRAME_MS), 500))
    client = StreamClient(CallDescription(call_id="call-1", roles=("agent", "customer")), audio)
    port = str(free_port())
    async with IngestProcess(kafka, topic_prefix, tmp_path, f"sqlite:///{tmp_path}/ingest.db", http_port=port) as process:
        await process.ready()

        async def spoken() -> AsyncIterator[bytes]:
            number = 0
            async for frame in paced(frames, seconds=FRAME_MS / 1000, speed=4):
                number += 1
                if number == 200:
                    await process.kill()
                    await process.start()
                yield frame

        caller = StreamPlayer(client, url=f"{await process.url()}/v1/stream", key=KEY, patience_seconds=_SECONDS)
        playing = asyncio.create_task(caller.play(spoken()))

        async def ended() -> bool:
            return playing.done() or any(isinstance(record, CallEnded) for record in await log_of_calls(kafka, topic_prefix))

        await eventually(ended, seconds=_SECONDS)
        await transcribe(kafka, topic_prefix, "call-1")
        await playing
    records = await log_of_calls(kafka, topic_prefix)
    assert heard(records) == b"".join(frames)
    assert client.complete
    assert client.phrase_count == 1
    assert isinstance(records[0], CallStarted)
    ends = [record for record in records if isinstance(record, CallEnded)]
    assert [(end.complete, end.position) for end in ends] == [(True, len(frames) * 160)]


async def test_a_caller_without_a_key_is_told(kafka: str, topic_prefix: str, tmp_path: Path) -> None:
    """A key that opens nothing is no reason to come back."""
    audio = open_call_audio(SAMPLE)
    client = StreamClient(CallDescription(call_id="call-1"), audio)
    async with IngestProcess(kafka, topic_prefix, tmp_path, f"sqlite:///{tmp_path}/ingest.db") as process:
        await process.ready()
        caller = StreamPlayer(client, url=f"{await process.url()}/v1/stream", key="another")
        with pytest.raises(CallRefused, match="401"):
            await caller.play(paced(audio.frames(FRAME_MS), seconds=FRAME_MS / 1000))


@pytest.mark.parametrize("tag", [1, 7], ids=["16 bit", "as the samples are"])
async def test_the_example_client_plays_a_file_and_prints_what_was_said(
    kafka: str, topic_prefix: str, tmp_path: Path, tag: int
) -> None:
    """The example of the documentation, as it stands there, as a program of its own."""
    samples = bytes(number * 7 % 251 for number in range(8000 * 2 * 2))
    sample_bytes = 2 if tag == 1 else 1
    form = struct.pack("<HHIIHH", tag, 2, 8000, 8000 * 2 * sample_bytes, 2 * sample_bytes, 8 * sample_bytes)
    parts = [(b"fmt ", form), (b"LIST", b"odd\0"), (b"data", samples)]
    content = b"WAVE" + b"".join(name + struct.pack("<I", len(part)) + part for name, part in parts)
    (tmp_path / "call.wav").write_bytes(b"RIFF" + struct.pack("<I", len(content)) + content)
    async with IngestProcess(kafka, topic_prefix, tmp_path, f"sqlite:///{tmp_path}/ingest.db") as process:
        await process.ready()
        example = await asyncio.create_subprocess_exec(
            sys.executable,
            str(ROOT / "examples" / "stream_client.py"),
            str(tmp_path / "call.wav"),
            env={"STENO_URL": await process.url(), "STENO_API_KEY": KEY},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:

            async def over() -> str:
                records = await log_of_calls(kafka, topic_prefix)
                return next((record.call_id for record in records if isinstance(record, CallEnded)), "")

            await transcribe(kafka, topic_prefix, await eventually(over))
            async with asyncio.timeout(30):
                out, error = await example.communicate()
        finally:
            if example.returncode is None:
                example.kill()
                await example.wait()
        records = await log_of_calls(kafka, topic_prefix)
    assert (example.returncode, error) == (0, b"")
    assert out == b"    1.5 s  channel 1: good morning\n"
    assert heard(records) == samples
