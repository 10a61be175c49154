"""Bad input at the door of the Speech SDK: a process of its own, real WebSockets, a real Kafka."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest
from support.ingest_process import KEY, IngestProcess, eventually
from support.kafka import read_all
from support.speech_sdk_peer import NATIVE_CONFIG, RELIABLE, audio_message, riff, text_message
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from steno.events.codec import Codec
from steno.events.records import AudioChunk, CallEnded, Record
from steno.events.schemas import ShippedSchemaIds

CODEC = Codec(ShippedSchemaIds())
TURN, NEXT_TURN = "a" * 32, "b" * 32
BEGIN = audio_message(riff(), TURN)
FAR = {"audio": {"streams": {"1": {"offset": str(10**14)}}}}
MOST_MB = 40

pytestmark = pytest.mark.timeout(240)

Sent = Sequence[str | bytes | Callable[[], AsyncIterator[str]]]


def context(**about: Any) -> str:
    """The context of a turn."""
    return text_message("speech.context", {**RELIABLE, **about}, TURN)


def hints(count: int) -> str:
    """A context with a phrase list."""
    return context(dgi={"groups": [{"type": "Generic", "items": [{"text": f"phrase number {n}"} for n in range(count)]}]})


async def in_fragments() -> AsyncIterator[str]:
    """A message without an end."""
    while True:
        yield "x" * 60_000


BAD: dict[str, tuple[Sent, int, str]] = {
    "text without headers": (["x"], 1007, "no empty line"),
    "bytes without headers": ([b"\xff\xff"], 1007, "2 bytes says that its headers have 65535"),
    "many headers": (["\r\n".join(f"X-{n}: a" for n in range(40)) + "\r\n\r\n{}"], 1007, "40 headers"),
    "no JSON": ([text_message("speech.context", "{{", TURN)], 1007, "is not JSON"),
    "half of a surrogate pair": ([context(dgi={"groups": [{"items": [{"text": "a\ud800"}]}]})], 1007, "surrogate"),
    "a phrase list of 1,200": ([hints(1200)], 1007, "shorten the phrase list"),
    "a phrase list of 10,000": ([hints(10_000)], 1009, "limit"),
    "a text of 20 MB": (["x" * 20_000_000], 1009, "limit"),
    "a text in fragments": ([in_fragments], 1009, "limit"),
    "audio without a header": ([audio_message(bytes(100), TURN)], 1007, "RIFF"),
    "the end before the header": ([audio_message(b"", TURN)], 1007, "before it had a RIFF header"),
    "a header that lies": ([audio_message(riff(channels=900), TURN)], 1007, "900 channels"),
    "a header without an end": ([audio_message(b"RIFF\0\0\0\0WAVEfmt \xff\xff\xff\xff" + bytes(5000), TURN)], 1007, "header"),
    "another format": ([BEGIN, audio_message(riff(rate=8000), NEXT_TURN)], 1007, "another format"),
    "an id in two lines": ([context(steno={"callId": "a\r\nb"})], 1007, "steno.callId"),
    "a later turn far away": (
        [BEGIN, text_message("speech.context", {**RELIABLE, "continuation": FAR}, NEXT_TURN),
         audio_message(riff() + bytes(3200), NEXT_TURN)],
        1007,
        "are reported as missing",
    ),
}  # fmt: skip


async def open_client(url: str, query: str = "", key: str = KEY) -> ClientConnection:
    """A connection of a client."""
    address = f"{url.replace('http', 'ws')}/speech/universal/v2?{query}"
    client = await connect(address, additional_headers={"Ocp-Apim-Subscription-Key": key}, max_size=None)
    await client.send(text_message("speech.config", NATIVE_CONFIG))
    return client


async def closed_with(client: ClientConnection, sent: Sent) -> tuple[int | None, str | None]:
    """The code and the reason with which the server closes a connection."""
    async with asyncio.timeout(30):
        with suppress(ConnectionClosed):
            for message in sent:
                await client.send(message() if callable(message) else message)
        await client.wait_closed()
    return client.close_code, client.close_reason


async def log_of(kafka: str, prefix: str, call_id: str) -> list[Record]:
    """What stands in the log of a call."""
    messages = await read_all(kafka, f"{prefix}call-audio")
    return [CODEC.decode(message.value) for message in messages if message.key == call_id.encode()]


async def test_each_bad_input_ends_its_own_call_and_no_other(kafka: str, topic_prefix: str, tmp_path: Path) -> None:
    """A reason that its user reads, no traceback in the log, no memory, and a call beside it that loses nothing."""
    sound = bytes(number * 7 % 251 for number in range(3200 * 20))
    async with IngestProcess(kafka, topic_prefix, tmp_path, f"sqlite:///{tmp_path}/ingest.db") as process:
        await process.ready()
        url, memory = await process.url(), psutil.Process(process.pid)
        beside = await open_client(url, "X-Steno-Call-Id=beside")
        await beside.send(BEGIN)
        before = memory.memory_info().rss

        async def refused_as(name: str) -> None:
            sent, code, reason = BAD[name]
            got = await closed_with(await open_client(url), sent)
            assert (got[0], reason in (got[1] or "")) == (code, True), (name, got)

        async def go_on() -> None:
            for begin in range(0, len(sound), 3200):
                await beside.send(audio_message(sound[begin : begin + 3200], TURN))
                await asyncio.sleep(0.1)

        await asyncio.gather(go_on(), *map(refused_as, BAD))
        with pytest.raises(InvalidStatus) as refused:
            await open_client(url, key="wrong")
        assert refused.value.response.status_code == 401
        assert (memory.memory_info().rss - before) / 1e6 < MOST_MB
        await beside.close()

        async def ended() -> list[Record]:
            records = await log_of(kafka, topic_prefix, "beside")
            return records if any(isinstance(record, CallEnded) for record in records) else []

        records: list[Record] = await eventually(ended)
    assert b"".join(record.audio for record in records if isinstance(record, AudioChunk)) == sound
    assert [record.complete for record in records if isinstance(record, CallEnded)] == [True]
    assert [line["exception"] for line in process.lines if "exception" in line] == []
