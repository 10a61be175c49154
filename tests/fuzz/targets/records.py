"""Records of the topics: their bytes, and what services do with those of an attacker with access to Kafka."""

import struct
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache, partial
from io import BytesIO
from random import Random
from types import SimpleNamespace
from typing import Any

from fastavro import parse_schema, schemaless_writer
from fuzz.inputs import MOMENTS, integer, mutated, text
from fuzz.target import Target
from fuzz.targets.door_stand import CODEC, MOST_POSITION
from steno_enricher.call_row import CallRow
from steno_enricher.pass_state import ContradictoryTranscript, PassState
from steno_ingest.calls.log.account.account import Account
from steno_ingest.calls.log.audio.pieces import Span, UnsavedAudio, layout
from steno_notifier.captions import Captions, Cursor
from steno_notifier.outgoing_event import MAX_BODY_BYTES, make_outgoing_event
from steno_transcriber.live.call import LiveCall, first_checkpoint

from steno.events.codec import UndecodableRecord
from steno.events.records import (
    RECORDS,
    AudioChunk,
    AudioCodec,
    AudioGap,
    CallChannel,
    CallEnded,
    CallPaused,
    CallRecord,
    CallResumed,
    CallStarted,
    CallState,
    CallUpdated,
    DtmfPressed,
    GapReason,
    Phrase,
    Record,
    Role,
    RolesCorrected,
    TranscriptCompleted,
)
from steno.events.schemas import ShippedSchemaIds, UnknownSchema, published_ids
from steno.unusable_records import UnusableRecord

IDS = ShippedSchemaIds()
BEGAN = datetime(2026, 3, 1, 9, tzinfo=UTC)
CALL = "call-1"
_BACKWARDS = (
    datetime(1, 1, 2, tzinfo=UTC),
    datetime(9999, 12, 30, 23, 59, 59, 999_999, UTC),
    BEGAN,
    datetime(1969, 12, 31, tzinfo=UTC),
)
MOST_MS = 400 * 86_400_000
"""A year and a month: beyond it nobody has spoken."""


def datum(chance: Random, schema: Any) -> Any:
    """A value of an Avro schema, seldom a decent one."""
    kind = schema["type"] if isinstance(schema, dict) else schema
    if isinstance(schema, list):
        return datum(chance, chance.choice(schema))
    match kind:
        case "record":
            return {field["name"]: datum(chance, field["type"]) for field in schema["fields"]}
        case "array":
            return [datum(chance, schema["items"]) for _ in range(chance.choice((0, 1, 2, 9)))]
        case "map":
            return {_utf8(chance): datum(chance, schema["values"]) for _ in range(chance.choice((0, 1, 3)))}
        case "enum":
            return chance.choice(schema["symbols"])
        case "string":
            return chance.choice((_utf8(chance), CALL, "en-US", "5", *MOMENTS))
        case "bytes":
            return chance.randbytes(chance.choice((0, 1, 7, 160, 1600, 1601)))
        case "int":
            return max(-(2**31), min(2**31 - 1, integer(chance)))
        case "long" if isinstance(schema, dict) and "logicalType" in schema:
            return max(-(2**63), min(2**63 - 1, chance.choice((integer(chance), int(BEGAN.timestamp() * 1e6)))))
        case "long":
            return max(-(2**63), min(2**63 - 1, integer(chance)))
        case "double" | "float":
            return chance.choice((0.5, -1.0, 1e300, float("nan"), float("inf")))
        case "boolean":
            return chance.random() < 0.5
        case "null":
            return None
        case _ if isinstance(kind, dict | list):
            return datum(chance, kind)
    raise AssertionError(f"no value of {schema}")


def _utf8(chance: Random) -> str:
    return text(chance).encode("utf-8", "replace").decode()


def _without_logical_types(schema: Any) -> Any:
    if isinstance(schema, dict):
        return {name: _without_logical_types(value) for name, value in schema.items() if name != "logicalType"}
    return [_without_logical_types(value) for value in schema] if isinstance(schema, list) else schema


_PUBLISHED = published_ids()


@cache
def _writer(schema_id: int) -> Any:
    """A schema that takes moments as plain numbers: those that Python has none of are part of the game."""
    schema = _without_logical_types(IDS.schema_of(schema_id))
    return parse_schema({name: value for name, value in schema.items() if not name.startswith("__")}, named_schemas={})


def unchecked(name: str, fields: Mapping[str, Any]) -> bytes:
    """The bytes of a record whose fields only its schema holds in bounds; moments are microseconds."""
    schema_id = IDS.id_of(name)
    body = BytesIO()
    schemaless_writer(body, _writer(schema_id), fields)
    return b"\0" + struct.pack(">I", schema_id) + body.getvalue()


def any_bytes(chance: Random, names: Sequence[str] = ()) -> bytes:
    """The bytes of a record, valid or not quite."""
    ids = [number for number, entry in _PUBLISHED.items() if not names or entry["record"] in names]
    schema_id = chance.choice(ids)
    body = BytesIO()
    schemaless_writer(body, _writer(schema_id), datum(chance, IDS.schema_of(schema_id)))
    value = b"\0" + struct.pack(">I", schema_id) + body.getvalue()
    match chance.randrange(10):
        case 0 | 1 | 2:
            return mutated(chance, value, most=3)
        case 3:
            # A length or count that promises gigabytes.
            return value[: 5 + chance.randrange(8)] + bytes.fromhex("feffffffff0f") + value[-4:]
        case 4:
            return chance.choice((b"", b"\0", b"{}", b'{"call_id": "x"}', b"\0\0\0\0\0", chance.randbytes(40)))
        case _:
            return value


_WITH_BYTES = frozenset({"AudioChunk", "WebhookState"})


def decode(value: bytes) -> Record:
    """What is read can be written, told as JSON, and read again."""
    record = CODEC.decode(value)
    assert CODEC.decode(CODEC.encode(record)) == record
    if type(record).__name__ not in _WITH_BYTES:
        record.model_dump_json()
    return record


def notify(value: bytes) -> None:
    """What becomes an event for webhooks fits into a webhook."""
    record = decode(value)
    event = make_outgoing_event(record, BEGAN, public_url="https://steno.example/")
    assert event is None or len(event.body.encode()) < MAX_BODY_BYTES, f"a body of {len(event.body)}"


def call_log(chance: Random) -> list[CallRecord]:
    """The records of one call as no door of ours would write them."""
    rate = chance.choice((8000, 16000))
    codec = chance.choice((AudioCodec.PCMU, AudioCodec.PCMA, AudioCodec.S16LE))
    channels = tuple(CallChannel(channel=number, role=chance.choice(list(Role))) for number in range(chance.choice((1, 2, 8))))
    started = CallStarted(call_id=CALL, codec=codec, sample_rate=rate, channels=channels, started_at=chance.choice(_BACKWARDS))
    frame = codec.sample_bytes * len(channels)
    records: list[CallRecord] = [started]
    position = sequence = 0
    for _ in range(chance.randrange(40)):
        jump = _jump(chance, rate)
        position = min(2**63 - 1, max(0, position + jump))
        match chance.randrange(12):
            case 0:
                length = min(2**63 - 1, abs(_jump(chance, rate)))
                records.append(AudioGap(call_id=CALL, position=position, length=length, reason=GapReason.LOST))
            case 1:
                records.append(CallPaused(call_id=CALL, position=position, paused_at=chance.choice(_BACKWARDS)))
            case 2:
                records.append(CallResumed(call_id=CALL, position=position, resumed_at=chance.choice(_BACKWARDS)))
            case 3:
                records.append(DtmfPressed(call_id=CALL, position=position, digit="5", pressed_at=BEGAN))
            case 4:
                records.append(CallUpdated(call_id=CALL, properties={_utf8(chance)[:50]: "x"}, updated_at=BEGAN))
            case 5:
                records.append(
                    RolesCorrected(call_id=CALL, channels=(CallChannel(channel=chance.choice((0, 7, 99))),), corrected_at=BEGAN)
                )
            case 6 if chance.random() < 0.2:
                records.append(CallEnded(call_id=CALL, position=position, complete=True, ended_at=chance.choice(_BACKWARDS)))
            case _:
                size = chance.choice((0, 1, frame * rate // 10, frame * rate // 10, frame * rate // 10 + 1))
                records.append(AudioChunk(call_id=CALL, sequence=sequence, position=position, audio=chance.randbytes(size)))
                position = min(2**63 - 1, position + size // frame)
        sequence = min(2**31 - 1, sequence + chance.choice((0, 1, 1, 1, 1, 2, 2**30)))
    return records


def _jump(chance: Random, rate: int) -> int:
    if chance.random() < 0.8:
        return chance.choice((0, 0, 0, rate // 10, -rate // 10, 1))
    return chance.choice((rate * 3600, rate * 14_400, rate * 86_400, 2**31, 2**53, 2**62, -(2**40)))


def transcribe(records: list[CallRecord]) -> None:
    """The live transcriber's call takes the log, and can be gone on with from its checkpoint at any moment."""
    started = records[0]
    assert isinstance(started, CallStarted)
    call = LiveCall(first_checkpoint(started, 0))
    for offset, record in enumerate(records):
        try:
            call.add_record(record, offset=offset, written_at=BEGAN + timedelta(seconds=offset))
        except UnusableRecord:
            continue
        assert 0 <= call.duration_ms <= MOST_MS, f"{call.duration_ms} ms"
        if offset % 8 == 7:
            LiveCall(CODEC.decode(CODEC.encode(call.checkpoint(log_end=offset, saved_at=BEGAN))))  # type: ignore[arg-type]
    call.end()


def account(records: list[CallRecord]) -> None:
    """Ingest's account of a call takes the log: what is noted and kept stays in range, and so does what the recording costs."""
    started = records[0]
    assert isinstance(started, CallStarted)
    account = Account(
        call_id=CALL,
        codec=started.codec,
        sample_rate=started.sample_rate,
        channel_count=len(started.channels),
        one_way_seconds=30,
    )
    unsaved = UnsavedAudio(account.shape)
    for record in records[1:]:
        try:
            if isinstance(record, DtmfPressed):
                account.apply_dtmf(record)
            elif (heard := account.apply(record)) is not None:
                unsaved.add(heard.position, heard.audio)
        except UnusableRecord as error:
            account.count_unusable(error, getattr(record, "position", 0))
        assert 0 <= account.position <= MOST_POSITION, f"position {account.position}"
        account = Account.from_json(account.to_json()) if len(account.notes) % 5 == 4 else account
    for note in account.notes:
        assert 0 <= note.position_ms <= MOST_MS, f"{note.kind} at {note.position_ms} ms"
        assert 0 <= note.duration_ms <= MOST_MS, f"{note.kind} of {note.duration_ms} ms"
    pieces: list[Span] = [span for span, _ in unsaved.drain()]
    assert sum(1 for _ in layout(pieces, account.position)) <= 3 * len(pieces) + 1


def follow(values: list[bytes]) -> None:
    """Readers of captions and the enricher's rows take whatever is on the topics of results."""
    captions = Captions(CALL, Cursor(), sees=lambda _: True)
    state = PassState(call_id=CALL, recording_id="recording-1")
    row = CallRow()
    for offset, value in enumerate(values):
        try:
            record = CODEC.decode(value)
        except (UndecodableRecord, UnknownSchema):
            continue
        for caption in captions.handle(_message(record, offset)):
            assert Cursor.parse(str(caption.cursor)) == caption.cursor
        try:
            match record:
                case Phrase():
                    assert captions.end_if_over() is not None
                case TranscriptCompleted():
                    state.complete(record)
                case CallState():
                    row = CallRow.from_bytes(row.merge(record).to_bytes(at=BEGAN))
                    state.update_call(row)
        except ContradictoryTranscript:
            continue
        state = PassState.from_bytes(state.to_bytes(at=BEGAN), call_id=CALL, recording_id="recording-1")
        assert CODEC.encode(state.summary(at=BEGAN))


def _message(record: Record, offset: int) -> Any:
    return SimpleNamespace(record=record, offset=offset)


_RESULTS = ("CallState", "Phrase", "Hypothesis", "TranscriptCompleted", "TranscriptFailed")
OWN = (UndecodableRecord, UnknownSchema)

TARGETS = (
    *(Target(name=f"record_{name}", make=partial(any_bytes, names=(name,)), put=decode, own=OWN) for name in sorted(RECORDS)),
    Target(name="record_bytes", make=any_bytes, put=decode, own=OWN),
    Target(name="outgoing_events", make=lambda chance: any_bytes(chance, (*_RESULTS, "CallSummary")), put=notify, own=OWN),
    Target(name="call_audio_transcriber", make=call_log, put=transcribe),
    Target(name="call_audio_account", make=call_log, put=account),
    Target(
        name="result_topics",
        make=lambda chance: [any_bytes(chance, _RESULTS) for _ in range(chance.randrange(1, 6))],
        put=follow,
        own=OWN,
    ),
)
