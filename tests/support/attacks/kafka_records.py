"""What somebody with access to the topics writes: rubbish, records that are nearly right, and right ones that mean harm."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from aiokafka import AIOKafkaProducer
from fuzz.targets.records import any_bytes, call_log, unchecked
from support.attacks.field import CODEC, Attack, Field

from steno.events import ids
from steno.events.records import (
    AudioChunk,
    AudioCodec,
    AudioGap,
    CallChannel,
    CallEnded,
    CallRecord,
    CallStarted,
    GapReason,
    RecordingSubmitted,
    TranscriptFailed,
    TranscriptStarted,
)

#: Written together, then a pause: a consumer must keep up with them beside the good ones.
_A_STRIKE = 40
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
CALL_AUDIO, RECORDINGS = "steno.call-audio", "steno.recordings"
RESULTS = (
    "steno.phrases",
    "steno.transcripts",
    "steno.hypotheses",
    "steno.calls",
    "steno.call-checkpoints",
    "steno.call-summaries",
)
_NAMES = {
    "steno.phrases": ("Phrase",),
    "steno.transcripts": ("TranscriptStarted", "TranscriptCompleted", "TranscriptFailed"),
    "steno.hypotheses": ("Hypothesis",),
    "steno.calls": ("CallState",),
    "steno.call-checkpoints": ("CallCheckpoint",),
    "steno.call-summaries": ("CallSummary",),
    RECORDINGS: ("RecordingSubmitted", "RecordingCancelled"),
    CALL_AUDIO: (
        "CallStarted",
        "AudioChunk",
        "AudioGap",
        "CallPaused",
        "CallUpdated",
        "CallEnded",
        "RolesCorrected",
        "DtmfPressed",
    ),
}


async def _write(producer: AIOKafkaProducer, field: Field, topic: str, key: str | None, value: bytes | None) -> None:
    await producer.send(topic, key=None if key is None else key.encode("utf-8", "replace"), value=value)
    field.tally[topic] += 1


async def json_on_recordings(field: Field) -> None:
    """Whoever thinks that the topic takes JSON."""
    async with field.producer() as producer:
        for number in range(_A_STRIKE):
            value = json.dumps({"call_id": field.name("json"), "url": "https://example.com/a.wav", "number": number}).encode()
            await _write(producer, field, RECORDINGS, field.name("json"), value)


async def mutated_records(field: Field) -> None:
    """Valid records, mutated ones, records of other topics, tombstones, and keys that are no text."""
    async with field.producer() as producer:
        for _ in range(_A_STRIKE):
            topic = field.chance.choice((CALL_AUDIO, CALL_AUDIO, RECORDINGS, *RESULTS))
            names = _NAMES[topic] if field.chance.random() < 0.8 else ()
            value = any_bytes(field.chance, names)
            key = field.chance.choice((field.name("mutated"), "call-1", ""))
            if field.chance.random() < 0.05:
                await producer.send(topic, key=b"\xff\xfe", value=value)
            else:
                await _write(producer, field, topic, key, None if field.chance.random() < 0.03 else value)


async def absurd_calls(field: Field) -> None:
    """Calls whose positions, sequences and dates are at the ends of what numbers hold."""
    async with field.producer() as producer:
        call_id = field.name("absurd")
        for record in call_log(field.chance):
            fields = {name: _absurd(field, value) for name, value in record.model_dump().items()} | {"call_id": call_id}
            await _write(producer, field, CALL_AUDIO, call_id, unchecked(type(record).__name__, fields))


def _absurd(field: Field, value: Any) -> Any:
    """Moments as the numbers that they are, and now and then a number that is none of theirs."""
    if isinstance(value, datetime):
        value = (value - _EPOCH) // timedelta(microseconds=1)
        return field.chance.choice((value, value, 2**63 - 1, -(2**63), 253_402_300_800_000_000))
    if isinstance(value, int) and value > 2**31:
        return field.chance.choice((value, 2**63 - 1))
    return value


async def gaps_on_the_log(field: Field) -> None:
    """A call of gaps of hours, each told again and again."""
    call_id = field.name("gaps")
    records: list[CallRecord] = [_started(call_id)]
    position = 0
    for number in range(_A_STRIKE):
        position += field.chance.choice((8000 * 3600 * 4, 8000 * 86_400, 2**40))
        records.append(AudioChunk(call_id=call_id, sequence=number, position=position, audio=bytes(1600)))
        records.append(AudioGap(call_id=call_id, position=position, length=8000 * 3600 * 3, reason=GapReason.LOST))
    await _all(field, call_id, [*records, _ended(call_id, position)])


async def broken_audio_on_the_log(field: Field) -> None:
    """A hundred chunks in a row that are no whole samples."""
    call_id = field.name("broken")
    chunks: list[CallRecord] = [
        AudioChunk(call_id=call_id, sequence=number, position=number * 800, audio=bytes(1601))
        for number in range(3 * _A_STRIKE)
    ]
    await _all(field, call_id, [_started(call_id), *chunks, _ended(call_id, 0)])


async def updates_on_the_log(field: Field) -> None:
    """A call of which ever more is told, 60 kB at a time, and at any time of any calendar."""
    call_id = field.name("updates")
    async with field.producer() as producer:
        await _write(producer, field, CALL_AUDIO, call_id, CODEC.encode(_started(call_id)))
        for number in range(20):
            properties = {f"p{number}-{place}": "x" * 1000 for place in range(60)}
            at = _absurd(field, datetime.now(UTC))
            value = unchecked("CallUpdated", {"call_id": call_id, "properties": properties, "locale": "", "updated_at": at})
            await _write(producer, field, CALL_AUDIO, call_id, value)
        await _write(producer, field, CALL_AUDIO, call_id, CODEC.encode(_ended(call_id, 0)))


async def results_of_nothing(field: Field) -> None:
    """What transcribers tell of recordings and calls, told of such as nobody submitted or began."""
    now = datetime.now(UTC)
    async with field.producer() as producer:
        for _ in range(_A_STRIKE // 4):
            about = {"call_id": field.name("nothing"), "recording_id": field.name("nothing")}
            if field.chance.random() < 0.5:
                about["recording_id"] = ids.live_pass_id(about["call_id"])
            record = field.chance.choice(
                (
                    TranscriptStarted(**about, started_at=now),
                    TranscriptFailed(**about, reason="no reason", error="internal", failed_at=now),
                )
            )
            await _write(producer, field, "steno.transcripts", record.call_id, CODEC.encode(record))


async def foreign_files(field: Field) -> None:
    """Files of the machine, and of the store, as recordings."""
    data = field.place.data
    urls = (
        "file:///etc/passwd", f"file://{data}/api-key", f"file://{data}//objects/../secret-key",
        f"file://{data}/objects//etc/passwd", f"file://{data}/shared/../secret-key", "file:///proc/self/environ",
        "file:///dev/zero", "file://localhost/etc/hosts", "http://169.254.169.254/latest/meta-data",
        "http://[::ffff:10.0.0.1]/a.wav", "http://host:99999/a", "gopher://x/", "\0", "x" * 4000,
    )  # fmt: skip
    async with field.producer() as producer:
        for url in field.chance.sample(urls, k=5):
            call_id = field.name("file")
            record = RecordingSubmitted(call_id=call_id, url=url, submitted_at=datetime.now(UTC))
            await _write(producer, field, RECORDINGS, call_id, CODEC.encode(record))


async def _all(field: Field, call_id: str, records: list[CallRecord]) -> None:
    async with field.producer() as producer:
        for record in records:
            await _write(producer, field, CALL_AUDIO, call_id, CODEC.encode(record))


def _started(call_id: str) -> CallStarted:
    return CallStarted(
        call_id=call_id,
        codec=AudioCodec.PCMU,
        sample_rate=8000,
        channels=(CallChannel(channel=0), CallChannel(channel=1)),
        started_at=datetime.now(UTC),
    )


def _ended(call_id: str, position: int) -> CallEnded:
    return CallEnded(call_id=call_id, position=position, complete=True, ended_at=datetime.now(UTC))


ATTACKS = (
    Attack(name="json on recordings", by="kafka", strike=json_on_recordings, pause_seconds=1.0),
    Attack(name="mutated records", by="kafka", strike=mutated_records, pause_seconds=0.5),
    Attack(name="absurd calls on the log", by="kafka", strike=absurd_calls, pause_seconds=1.0),
    Attack(name="gaps on the log", by="kafka", strike=gaps_on_the_log, pause_seconds=2.0),
    Attack(name="broken audio on the log", by="kafka", strike=broken_audio_on_the_log, pause_seconds=3.0),
    Attack(name="updates on the log", by="kafka", strike=updates_on_the_log, pause_seconds=3.0),
    Attack(name="results of nothing", by="kafka", strike=results_of_nothing, pause_seconds=1.0),
    Attack(name="files of others", by="kafka", strike=foreign_files, pause_seconds=3.0),
)
