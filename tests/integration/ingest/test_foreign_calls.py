"""Calls that upstream systems publish themselves: librdkafka and the .avsc files on their side, ingest as it runs on ours."""

import asyncio
import os
import random
import signal
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from support.foreign_clients import produce, written_abroad
from support.ingest_process import IngestProcess, eventually
from support.kafka import read_all

from steno.events import ids
from steno.events.codec import Codec
from steno.events.records import RecordingSubmitted, Role
from steno.events.schemas import ShippedSchemaIds

CODEC = Codec(ShippedSchemaIds())
NOW = datetime.now(UTC)
CHUNK = 800
SILENCE = b"\xff"
pytestmark = pytest.mark.timeout(240)


@dataclass
class ForeignCall:
    """A two-channel call in mu-law, as an upstream system publishes it, and what its recording must hold."""

    call_id: str
    seed: int = 0
    records: list[tuple[str, bytes]] = field(default_factory=list)
    audio: bytes = b""
    sequence: int = 0

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)
        self.publish(
            "CallStarted",
            codec="PCMU",
            sample_rate=8000,
            channels=[
                {"channel": 0, "role": "agent", "participant": "Ada"},
                {"channel": 1, "role": "customer", "participant": "+49 30 1234"},
            ],
            locale="en-GB",
            protocol="siprec",
            properties={"queue": "billing"},
            started_at=NOW,
        )

    @property
    def position(self) -> int:
        return len(self.audio) // 2

    def publish(self, record: str, **fields: Any) -> None:
        self.records.append((self.call_id, written_abroad(record, {"call_id": self.call_id, **fields})))

    def speak(self, chunks: int) -> None:
        for _ in range(chunks):
            audio = self._random.randbytes(2 * CHUNK)
            self.publish("AudioChunk", sequence=self.sequence, position=self.position, audio=audio)
            self.audio += audio
            self.sequence += 1

    def lose(self, chunks: int) -> None:
        self.audio += SILENCE * (2 * CHUNK * chunks)
        self.sequence += chunks

    def pause(self, chunks: int) -> None:
        self.publish("CallPaused", position=self.position, requested_by="agent", reason="card", paused_at=NOW)
        self.audio += SILENCE * (2 * CHUNK * chunks)
        self.publish("CallResumed", position=self.position, requested_by="agent", resumed_at=NOW)

    def end(self) -> None:
        self.publish("CallEnded", position=self.position, complete=True, reason="hangup", error="", ended_at=NOW)


def sent_in_turns(calls: list[ForeignCall]) -> Iterator[tuple[str, bytes]]:
    """The records of calls as they come at the same time."""
    for number in range(max(len(call.records) for call in calls)):
        yield from (call.records[number] for call in calls if number < len(call.records))


async def ended(ingest: IngestProcess, call_id: str) -> dict[str, Any]:
    """The call once its recording is made."""

    async def found() -> dict[str, Any]:
        status, answer = await ingest.request("GET", f"/v1/calls/{call_id}")
        return dict(answer) if status == 200 and answer["audio_url"] else {}

    call: dict[str, Any] = await eventually(found, seconds=60)
    return call


def recorded(call: dict[str, Any]) -> bytes:
    """The bytes of the recording that a call names, behind the header of mu-law."""
    content = Path(unquote(urlsplit(call["audio_url"]).path)).read_bytes()
    assert content[:4] == b"RIFF"
    assert int.from_bytes(content[4:8], "little") == len(content) - 8
    return content[58:]


async def submitted(kafka: str, prefix: str) -> list[RecordingSubmitted]:
    """What stands on the topic `recordings`."""
    records = [CODEC.decode(entry.value) for entry in await read_all(kafka, f"{prefix}recordings")]
    return [record for record in records if isinstance(record, RecordingSubmitted)]


async def test_a_foreign_call_is_ledgered_recorded_and_submitted(
    kafka: str, topic_prefix: str, tmp_path: Path, database_url: str
) -> None:
    """Byte for byte, with silence for what was lost and paused; each is an event, and the call has its second pass."""
    call = ForeignCall("acme call 1")
    call.speak(30)
    call.lose(5)
    call.speak(5)
    call.pause(20)
    call.speak(10)
    call.records.append(call.records[3])
    call.publish("DtmfPressed", position=call.position, digit="7", channel=1, pressed_at=NOW)
    call.end()
    async with IngestProcess(kafka, topic_prefix, tmp_path, database_url) as ingest:
        await ingest.ready()
        await asyncio.to_thread(produce, kafka, f"{topic_prefix}call-audio", call.records)
        answer = await ended(ingest, "acme%20call%201")
        assert recorded(answer) == call.audio
        assert {name: answer[name] for name in ("door", "protocol", "complete", "end_reason", "heard_ms", "locale")} == {
            "door": "kafka",
            "protocol": "siprec",
            "complete": True,
            "end_reason": "hangup",
            "heard_ms": 7000,
            "locale": "en-GB",
        }
        assert [(event["kind"], event["position_ms"], event["duration_ms"]) for event in answer["events"]] == [
            ("gap_lost", 3000, 500),
            ("gap_paused", 4000, 2000),
            ("dtmf", 7000, 0),
        ]

        async def published() -> list[RecordingSubmitted]:
            return await submitted(kafka, topic_prefix)

        (record,) = await eventually(published)
        assert (record.call_id, record.recording_id) == (call.call_id, answer["audio_recording_id"])
        assert record.supersedes == ids.live_pass_id(call.call_id)
        assert [entry.role for entry in record.channels] == [Role.AGENT, Role.CUSTOMER]
        assert (record.locale, record.properties) == ("en-GB", {"queue": "billing"})
        assert await ingest.stop() == 0
    # The pieces go last, once the recording is submitted: what was under way is finished at a stop.
    assert not list((tmp_path / "objects" / "call-audio").iterdir())


async def test_killed_again_and_again_it_records_the_same(kafka: str, topic_prefix: str, tmp_path: Path) -> None:
    """kill -9 in the middle of twelve calls, several times over: each has its recording, byte for byte, submitted once."""
    calls = [ForeignCall(f"call-{number}", seed=number) for number in range(12)]
    for call in calls:
        for _ in range(8):
            call.speak(60)
            call.lose(2)
            call.pause(25)
        call.speak(1)
        call.end()
    records = list(sent_in_turns(calls))
    chance = random.Random(4)
    async with IngestProcess(kafka, topic_prefix, tmp_path, f"sqlite:///{tmp_path}/ingest.db") as ingest:
        await ingest.ready()
        share = len(records) // 6
        for number in range(6):
            part = records[number * share : None if number == 5 else (number + 1) * share]
            await asyncio.to_thread(produce, kafka, f"{topic_prefix}call-audio", part)
            if number < 5:
                # Some lives see an offset committed or a piece kept, some do not.
                await asyncio.sleep(chance.uniform(0, 2.5))
                await ingest.kill()
                await ingest.start()
        for call in calls:
            answer = await ended(ingest, call.call_id)
            assert recorded(answer) == call.audio, call.call_id
            kinds = [event["kind"] for event in answer["events"]]
            assert (kinds.count("gap_lost"), kinds.count("gap_paused")) == (8, 8)

        async def published() -> list[RecordingSubmitted]:
            found = await submitted(kafka, topic_prefix)
            return found if len({record.recording_id for record in found}) == len(calls) else []

        assert {record.call_id for record in await eventually(published)} == {call.call_id for call in calls}
        assert not list((tmp_path / "objects" / "call-audio").iterdir())
        assert await read_all(kafka, f"{topic_prefix}dead-letters") == []
        assert await ingest.stop() == 0


@pytest.mark.postgres
async def test_another_instance_takes_over_and_one_that_stood_still_does_no_harm(
    kafka: str, topic_prefix: str, tmp_path: Path, postgres_url: str
) -> None:
    """Stopped past its session in the middle of calls, and let go on when the other is done with them."""
    calls = [ForeignCall(f"call-{number}", seed=number) for number in range(8)]
    for call in calls:
        for _ in range(4):
            call.speak(90)
            call.pause(25)
        call.end()
    records = list(sent_in_turns(calls))
    half, topic = len(records) // 2, f"{topic_prefix}call-audio"
    async with (
        IngestProcess(kafka, topic_prefix, tmp_path, postgres_url, instance="0") as frozen,
        IngestProcess(kafka, topic_prefix, tmp_path, postgres_url, instance="1") as other,
    ):
        await frozen.ready()
        await other.ready()
        await asyncio.to_thread(produce, kafka, topic, records[:half])

        async def heard_so_far() -> bool:
            _, page = await other.request("GET", "/v1/calls")
            # Two times 90 chunks and a pause as long as 25: nothing is written then that could be left locked.
            return [call["heard_ms"] for call in page["items"]] == [23_000] * len(calls)

        await eventually(heard_so_far)
        os.kill(frozen.pid, signal.SIGSTOP)
        await asyncio.to_thread(produce, kafka, topic, records[half:])
        answers = {call.call_id: await ended(other, call.call_id) for call in calls}
        os.kill(frozen.pid, signal.SIGCONT)
        await frozen.ready()
        assert await frozen.stop() == 0
        for call in calls:
            answer = await ended(other, call.call_id)
            assert recorded(answer) == call.audio, call.call_id
            assert answer["audio_url"] == answers[call.call_id]["audio_url"]
        found = await submitted(kafka, topic_prefix)
        assert len({record.recording_id for record in found}) == len(calls)
        assert await read_all(kafka, f"{topic_prefix}dead-letters") == []
        assert await other.stop() == 0


async def test_a_call_that_never_ends_is_ended(kafka: str, topic_prefix: str, tmp_path: Path) -> None:
    """Its publisher vanished: the end is put into its log, and what there is of it is recorded. Its neighbour goes on."""
    vanished, other = ForeignCall("vanished"), ForeignCall("other", seed=1)
    vanished.speak(20)
    other.speak(20)
    options = {"inactive_seconds": "2"}
    async with IngestProcess(kafka, topic_prefix, tmp_path, f"sqlite:///{tmp_path}/ingest.db", **options) as ingest:
        await ingest.ready()
        topic = f"{topic_prefix}call-audio"
        await asyncio.to_thread(produce, kafka, topic, sent_in_turns([vanished, other]))

        async def closed() -> dict[str, Any]:
            sent = len(other.records)
            other.speak(1)
            await asyncio.to_thread(produce, kafka, topic, other.records[sent:])
            status, answer = await ingest.request("GET", "/v1/calls/vanished")
            return dict(answer) if status == 200 and answer["ended_at"] else {}

        answer = await eventually(closed, seconds=60)
        assert (answer["end_reason"], answer["complete"]) == ("inactive", False)
        sent = len(other.records)
        other.end()
        await asyncio.to_thread(produce, kafka, topic, other.records[sent:])
        assert recorded(await ended(ingest, "vanished")) == vanished.audio
        answer = await ended(ingest, "other")
        assert (recorded(answer), answer["end_reason"], answer["events"]) == (other.audio, "hangup", [])
        assert await ingest.stop() == 0


async def test_rubbish_on_the_log_is_put_aside_and_calls_go_on(kafka: str, topic_prefix: str, tmp_path: Path) -> None:
    """Audio of no call, half frames, an old sequence, a second start, audio after the end: each with its reason, once."""
    call, stranger = ForeignCall("good"), ForeignCall("stranger", seed=1)
    call.speak(10)
    call.publish("AudioChunk", sequence=99, position=call.position, audio=b"odd")
    call.publish("AudioChunk", sequence=3, position=call.position, audio=b"newaudio")
    call.publish(
        "CallStarted",
        codec="PCMA",
        sample_rate=8000,
        channels=[{"channel": 0, "role": "agent", "participant": ""}],
        locale="en-GB",
        protocol="",
        properties={},
        started_at=NOW,
    )
    call.speak(10)
    call.end()
    complete = call.audio
    call.sequence = 200
    call.speak(3)
    stranger.speak(5)
    async with IngestProcess(kafka, topic_prefix, tmp_path, f"sqlite:///{tmp_path}/ingest.db") as ingest:
        await ingest.ready()
        await asyncio.to_thread(produce, kafka, f"{topic_prefix}call-audio", [*call.records, *stranger.records[1:]])
        answer = await ended(ingest, "good")
        assert recorded(answer) == complete
        # What came after the end is noted where it comes before the recording is made.
        assert {event["kind"] for event in answer["events"]} - {"after_the_end"} == {"broken_audio", "impossible_place"}

        async def put_aside() -> list[str]:
            found = await read_all(kafka, f"{topic_prefix}dead-letters")
            return [dict(entry.headers)["steno-error-class"].decode() for entry in found] if len(found) >= 5 else []

        expected = ["after_the_end", "broken_audio", "call_id_in_use", "impossible_place", "unknown_call"]
        assert sorted(await eventually(put_aside)) == expected
        metrics = await ingest.metrics()
        assert 'steno_ingest_call_records_unusable_total{reason="unknown_call"} 5.0' in metrics
        assert 'steno_ingest_call_records_unusable_total{reason="after_the_end"} 3.0' in metrics
        assert await ingest.stop() == 0
