"""Records to Avro bytes and back."""

import copy
import json
from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone
from io import BytesIO
from typing import Any

import pytest
from fastavro import schemaless_writer
from hypothesis import example, given
from hypothesis import strategies as st
from support.records import PHRASE, any_record

from steno.errors import StenoError
from steno.events.codec import Codec, UndecodableRecord
from steno.events.records import Phrase, Record, RecordingSubmitted
from steno.events.schemas import Schema, ShippedSchemaIds, UnknownSchema, frozen_schemas, parse, published_ids

CODEC = Codec(ShippedSchemaIds())


class WithForeignSchema(ShippedSchemaIds):
    """The shipped ids, and one schema that somebody else wrote with."""

    def __init__(self, schema_id: int, schema: Schema) -> None:
        super().__init__()
        self._schemas[schema_id] = parse(schema)


def framed(schema_id: int, schema: Schema, fields: dict[str, Any]) -> bytes:
    """A record as a producer with that schema frames it."""
    buffer = BytesIO(b"\x00" + schema_id.to_bytes(4, "big"))
    buffer.seek(5)
    schemaless_writer(buffer, parse(schema), fields)
    return buffer.getvalue()


@given(any_record())
def test_every_record_comes_back_as_it_was(record: Record) -> None:
    """Any valid record of any kind survives the trip."""
    assert CODEC.decode(CODEC.encode(record)) == record


@given(st.binary(max_size=200))
@example(b"")
@example(b"\x00\x00\x00\x00")
@example(b"\x01\x00\x00\x00\x01abc")
def test_no_bytes_break_the_decoder(value: bytes) -> None:
    """Bytes that are no record raise an error of ours and nothing else."""
    with pytest.raises(StenoError):
        CODEC.decode(value)


@given(st.sampled_from(sorted(published_ids())), st.binary(max_size=300))
def test_no_body_breaks_the_decoder(schema_id: int, body: bytes) -> None:
    """A known schema id before any body gives a record or an error of ours."""
    with suppress(StenoError):
        assert isinstance(CODEC.decode(b"\x00" + schema_id.to_bytes(4, "big") + body), Record)


@given(any_record(), st.data())
def test_a_cut_record_breaks_nothing(record: Record, data: st.DataObject) -> None:
    """A record that lost its tail raises an error of ours."""
    whole = CODEC.encode(record)
    with pytest.raises(StenoError):
        CODEC.decode(whole[: data.draw(st.integers(0, len(whole) - 1))])


def test_a_tombstone_is_no_record() -> None:
    """The codec does not take the missing value of a tombstone for a record."""
    with pytest.raises(UndecodableRecord, match="Confluent framing"):
        CODEC.decode(None)


def test_an_unknown_id_is_told_apart() -> None:
    """An id that nobody knows names itself, so that a registry can be asked."""
    with pytest.raises(UnknownSchema) as caught:
        CODEC.decode(b"\x00\x00\x00\x30\x39rest")
    assert caught.value.schema_id == 12345


def test_an_empty_call_id_is_refused() -> None:
    """What another producer wrote is validated as our own records are."""
    schema = frozen_schemas("RecordingSubmitted")[0]
    value = framed(1, schema, {"call_id": "", "url": "https://example.org/a.wav"})
    with pytest.raises(UndecodableRecord, match="call_id"):
        CODEC.decode(value)


def test_old_readers_read_a_new_field() -> None:
    """A reader of version 1 reads what a version 2 with one more field wrote."""
    newer = copy.deepcopy(frozen_schemas("Phrase")[0])
    newer["fields"].insert(3, {"name": "mood", "type": "string", "default": "calm", "doc": "New."})
    value = framed(99, newer, {**PHRASE.model_dump(), "mood": "merry"})
    assert Codec(WithForeignSchema(99, newer)).decode(value) == PHRASE


def test_new_readers_fill_a_new_field() -> None:
    """A reader of version 2 reads what version 1 wrote, and takes the default for what was not there."""
    older = copy.deepcopy(frozen_schemas("Phrase")[0])
    older["fields"] = [field for field in older["fields"] if field["name"] not in ("revision", "locale")]
    value = framed(99, older, PHRASE.model_dump())
    assert Codec(WithForeignSchema(99, older)).decode(value) == PHRASE


def test_an_unknown_enum_symbol_becomes_the_default() -> None:
    """A role that a newer producer knows and we do not is read as unknown."""
    newer = json.loads(json.dumps(frozen_schemas("Phrase")[0]).replace('"ivr"', '"ivr", "supervisor"'))
    value = framed(99, newer, {**PHRASE.model_dump(), "role": "supervisor"})
    decoded = Codec(WithForeignSchema(99, newer)).decode(value)
    assert isinstance(decoded, Phrase)
    assert decoded.role == "unknown"


def test_a_foreign_schema_that_ours_cannot_read_is_undecodable() -> None:
    """A registry may hold a schema of the same name that does not fit."""
    foreign = {"type": "record", "name": "Phrase", "namespace": "steno", "fields": [{"name": "call_id", "type": "int"}]}
    with pytest.raises(UndecodableRecord, match="Phrase"):
        Codec(WithForeignSchema(99, foreign)).decode(framed(99, foreign, {"call_id": 7}))


def test_a_record_of_somebody_else_is_undecodable() -> None:
    """An id that names a record we do not have says so."""
    foreign = {"type": "record", "name": "Order", "namespace": "shop", "fields": [{"name": "n", "type": "int"}]}
    with pytest.raises(UndecodableRecord, match=r"shop\.Order"):
        Codec(WithForeignSchema(99, foreign)).decode(framed(99, foreign, {"n": 7}))


def test_times_of_any_zone_are_the_same_instant() -> None:
    """A wall-clock time comes back in UTC, to the microsecond."""
    there = datetime(2024, 5, 1, 12, 30, 15, 123456, tzinfo=timezone(timedelta(hours=5, minutes=30)))
    record = RecordingSubmitted(call_id="c", url="https://example.org/a.wav", submitted_at=there)
    decoded = CODEC.decode(CODEC.encode(record))
    assert isinstance(decoded, RecordingSubmitted)
    assert decoded.submitted_at == there
    assert decoded.submitted_at is not None
    assert decoded.submitted_at.tzinfo == UTC


def test_the_frame_is_confluents() -> None:
    """A zero byte, the id in four bytes big-endian, then the Avro body."""
    assert CODEC.encode(PHRASE)[:5] == b"\x00" + ShippedSchemaIds().id_of("Phrase").to_bytes(4, "big")
