"""Calls that come too fast, or say that they are where they cannot be: what they cost, on a real socket, Kafka and store."""

import asyncio
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from support.foreign_clients import produce, written_abroad
from support.ingest_process import KEY, IngestProcess, eventually
from support.kafka import read_all
from support.stream_peer import stream_peer

NOW = datetime.now(UTC)
RATE = 8000
pytestmark = pytest.mark.timeout(120)


def nonsense(call_id: str) -> list[tuple[str, bytes]]:
    """A call of 5 kB that claims to be days long, in every way that a publisher has; a second of it is audio."""
    records = []

    def publish(record: str, **fields: Any) -> None:
        records.append((call_id, written_abroad(record, {"call_id": call_id, **fields})))

    def speak(sequence: int, position: int) -> None:
        publish("AudioChunk", sequence=sequence, position=position, audio=b"\x10" * 4000)

    channels = [{"channel": 0, "role": "agent", "participant": ""}]
    about = {"codec": "PCMU", "sample_rate": RATE, "channels": channels, "locale": "en-US", "protocol": "", "properties": {}}
    publish("CallStarted", started_at=datetime(2000, 1, 1, tzinfo=UTC), tenant="", **about)
    speak(0, 0)
    for hours in range(1, 11):
        publish("AudioGap", position=4000, length=hours * 3600 * RATE, reason="lost")
    speak(1, 2**40)
    speak(2**31 - 1, 4000)
    publish("CallPaused", position=4000, requested_by="", reason="", paused_at=NOW)
    publish("CallResumed", position=4 * 3600 * RATE, requested_by="", resumed_at=NOW)
    publish("CallResumed", position=4000, requested_by="", resumed_at=NOW)
    publish("DtmfPressed", position=2**62, digit="5", channel=None, pressed_at=NOW)
    speak(1, 4000)
    publish("CallEnded", position=2**60, complete=True, reason="hangup", error="", ended_at=NOW)
    return records


async def ended(ingest: IngestProcess, call_id: str) -> dict[str, Any]:
    async def found() -> dict[str, Any]:
        status, answer = await ingest.request("GET", f"/v1/calls/{call_id}")
        return dict(answer) if status == 200 and answer["audio_url"] else {}

    call: dict[str, Any] = await eventually(found, seconds=60)
    return call


def recording(call: dict[str, Any]) -> bytes:
    return Path(unquote(urlsplit(call["audio_url"]).path)).read_bytes()


async def test_calls_cost_what_they_are(kafka: str, topic_prefix: str, tmp_path: Path) -> None:
    """One is played at once and read at the pace of a call, whole; the others say that hours are missing, and are a second."""
    audio = bytes(number * 7 % 251 for number in range(18 * RATE))
    settings = {"resume_seconds": "0", "live_speed": "4", "second_pass": "false"}
    async with IngestProcess(kafka, topic_prefix, tmp_path, f"sqlite:///{tmp_path}/ingest.db", **settings) as ingest:
        await ingest.ready()
        await asyncio.to_thread(produce, kafka, f"{topic_prefix}call-audio", nonsense("on-kafka"))
        async with stream_peer(await ingest.url(), KEY) as fast, stream_peer(await ingest.url(), KEY) as wrong:
            await fast.start("fast")
            began = time.monotonic()
            await fast.speak(audio, frame=4000)
            await fast.say("ping")
            await fast.say("end")
            await wrong.start("at-the-door")
            await wrong.speak(audio[:RATE])
            await wrong.say("gap", length_ms=4 * 3_600_000)
            error = await wrong.hear("error")
            assert error["code"] == "not_valid"
            assert "reported as missing" in error["message"]
            assert await wrong.closed() == 1008
            assert time.monotonic() - began < 2, "a call that is read slowly holds nobody up"
            await fast.hear("pong")
            await fast.hear("ended", complete=True)
            # Ten seconds at once, and eight more four times as fast as they are spoken.
            assert time.monotonic() - began > 1.9
        calls = {call_id: await ended(ingest, call_id) for call_id in ("fast", "at-the-door", "on-kafka")}
        assert recording(calls["fast"])[58:] == audio
        assert recording(calls["at-the-door"])[58:] == audio[:RATE]
        assert recording(calls["on-kafka"])[58:] == b"\x10" * RATE
        assert "reported as missing" in str(calls["at-the-door"])
        told = [dict(entry.headers)["steno-error-class"] for entry in await read_all(kafka, f"{topic_prefix}dead-letters")]
        assert told == [b"impossible_place"]
        assert (await ingest.request("GET", "/v1/ledger"))[1]["balanced"] is True
        assert await ingest.stop() == 0
