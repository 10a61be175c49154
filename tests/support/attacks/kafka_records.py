"""Records of an attacker with access to the topics: invalid, almost valid, and valid but malicious ones."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from aiokafka import AIOKafkaProducer
from fuzz.targets.records import any_bytes, call_log, unchecked
from support.attacks.attack import CODEC, Attack, AttackRun

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

#: The number of records written together before a pause; a consumer must keep up with them and the good ones.
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
    "steno.hypotheses": ("Hypothesis", "CaptionsReached"),
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


async def _write(producer: AIOKafkaProducer, run: AttackRun, topic: str, key: str | None, value: bytes | None) -> None:
    await producer.send(topic, key=None if key is None else key.encode("utf-8", "replace"), value=value)
    run.tally[topic] += 1


async def json_on_recordings(run: AttackRun) -> None:
    """JSON instead of records."""
    async with run.producer() as producer:
        for number in range(_A_STRIKE):
            value = json.dumps({"call_id": run.name("json"), "url": "https://example.com/a.wav", "number": number}).encode()
            await _write(producer, run, RECORDINGS, run.name("json"), value)


async def mutated_records(run: AttackRun) -> None:
    """Valid and mutated records, records of other topics, tombstones, and keys that are not text."""
    async with run.producer() as producer:
        for _ in range(_A_STRIKE):
            topic = run.chance.choice((CALL_AUDIO, CALL_AUDIO, RECORDINGS, *RESULTS))
            names = _NAMES[topic] if run.chance.random() < 0.8 else ()
            value = any_bytes(run.chance, names)
            key = run.chance.choice((run.name("mutated"), "call-1", ""))
            if run.chance.random() < 0.05:
                await producer.send(topic, key=b"\xff\xfe", value=value)
            else:
                await _write(producer, run, topic, key, None if run.chance.random() < 0.03 else value)


async def absurd_calls(run: AttackRun) -> None:
    """Calls whose positions, sequences and dates are at the limits of their types."""
    async with run.producer() as producer:
        call_id = run.name("absurd")
        for record in call_log(run.chance):
            fields = {name: _absurd(run, value) for name, value in record.model_dump().items()} | {"call_id": call_id}
            await _write(producer, run, CALL_AUDIO, call_id, unchecked(type(record).__name__, fields))


def _absurd(run: AttackRun, value: Any) -> Any:
    """Times as numbers, sometimes out of range."""
    if isinstance(value, datetime):
        value = (value - _EPOCH) // timedelta(microseconds=1)
        return run.chance.choice((value, value, 2**63 - 1, -(2**63), 253_402_300_800_000_000))
    if isinstance(value, int) and value > 2**31:
        return run.chance.choice((value, 2**63 - 1))
    return value


async def gaps_on_the_log(run: AttackRun) -> None:
    """A call with gaps of hours, each repeated many times."""
    call_id = run.name("gaps")
    records: list[CallRecord] = [_started(call_id)]
    position = 0
    for number in range(_A_STRIKE):
        position += run.chance.choice((8000 * 3600 * 4, 8000 * 86_400, 2**40))
        records.append(AudioChunk(call_id=call_id, sequence=number, position=position, audio=bytes(1600)))
        records.append(AudioGap(call_id=call_id, position=position, length=8000 * 3600 * 3, reason=GapReason.LOST))
    await _all(run, call_id, [*records, _ended(call_id, position)])


async def broken_audio_on_the_log(run: AttackRun) -> None:
    """A hundred chunks in a row without a whole number of samples."""
    call_id = run.name("broken")
    chunks: list[CallRecord] = [
        AudioChunk(call_id=call_id, sequence=number, position=number * 800, audio=bytes(1601))
        for number in range(3 * _A_STRIKE)
    ]
    await _all(run, call_id, [_started(call_id), *chunks, _ended(call_id, 0)])


async def updates_on_the_log(run: AttackRun) -> None:
    """A call with many updates of 60 kB each, with arbitrary times."""
    call_id = run.name("updates")
    async with run.producer() as producer:
        await _write(producer, run, CALL_AUDIO, call_id, CODEC.encode(_started(call_id)))
        for number in range(20):
            properties = {f"p{number}-{place}": "x" * 1000 for place in range(60)}
            at = _absurd(run, datetime.now(UTC))
            value = unchecked("CallUpdated", {"call_id": call_id, "properties": properties, "locale": "", "updated_at": at})
            await _write(producer, run, CALL_AUDIO, call_id, value)
        await _write(producer, run, CALL_AUDIO, call_id, CODEC.encode(_ended(call_id, 0)))


async def results_of_nothing(run: AttackRun) -> None:
    """Results of recordings and calls that do not exist."""
    now = datetime.now(UTC)
    async with run.producer() as producer:
        for _ in range(_A_STRIKE // 4):
            about = {"call_id": run.name("nothing"), "recording_id": run.name("nothing")}
            if run.chance.random() < 0.5:
                about["recording_id"] = ids.live_pass_id(about["call_id"])
            record = run.chance.choice(
                (
                    TranscriptStarted(**about, started_at=now),
                    TranscriptFailed(**about, reason="no reason", error="internal", failed_at=now),
                )
            )
            await _write(producer, run, "steno.transcripts", record.call_id, CODEC.encode(record))


async def foreign_files(run: AttackRun) -> None:
    """Recordings with URLs of local files and of objects of the store."""
    data = run.target.data
    urls = (
        "file:///etc/passwd", f"file://{data}/api-key", f"file://{data}//objects/../secret-key",
        f"file://{data}/objects//etc/passwd", f"file://{data}/shared/../secret-key", "file:///proc/self/environ",
        "file:///dev/zero", "file://localhost/etc/hosts", "http://169.254.169.254/latest/meta-data",
        "http://[::ffff:10.0.0.1]/a.wav", "http://host:99999/a", "gopher://x/", "\0", "x" * 4000,
    )  # fmt: skip
    async with run.producer() as producer:
        for url in run.chance.sample(urls, k=5):
            call_id = run.name("file")
            record = RecordingSubmitted(call_id=call_id, url=url, submitted_at=datetime.now(UTC))
            await _write(producer, run, RECORDINGS, call_id, CODEC.encode(record))


async def _all(run: AttackRun, call_id: str, records: list[CallRecord]) -> None:
    async with run.producer() as producer:
        for record in records:
            await _write(producer, run, CALL_AUDIO, call_id, CODEC.encode(record))


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
    Attack(name="json on recordings", by="kafka", attempt=json_on_recordings, pause_seconds=1.0),
    Attack(name="mutated records", by="kafka", attempt=mutated_records, pause_seconds=0.5),
    Attack(name="absurd calls on the log", by="kafka", attempt=absurd_calls, pause_seconds=1.0),
    Attack(name="gaps on the log", by="kafka", attempt=gaps_on_the_log, pause_seconds=2.0),
    Attack(name="broken audio on the log", by="kafka", attempt=broken_audio_on_the_log, pause_seconds=3.0),
    Attack(name="updates on the log", by="kafka", attempt=updates_on_the_log, pause_seconds=3.0),
    Attack(name="results of nothing", by="kafka", attempt=results_of_nothing, pause_seconds=1.0),
    Attack(name="files of others", by="kafka", attempt=foreign_files, pause_seconds=3.0),
)
