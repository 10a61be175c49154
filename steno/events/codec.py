"""Records to bytes and back: Avro in Confluent's framing, which Connect, Flink, ksqlDB, kcat and every UI can read.

The frame is `0x00`, the schema id as four bytes big-endian, then the Avro body.

Source: Confluent "Wire format" of the Schema Registry serializer; Apache Avro 1.12 specification, schema resolution.
"""

from io import BytesIO
from typing import Any

from fastavro import schemaless_reader, schemaless_writer
from fastavro.read import SchemaResolutionError
from pydantic import ValidationError

from steno.errors import Permanent
from steno.events.records import RECORDS, Record
from steno.events.schemas import SchemaIds, load_schema

CONTENT_TYPE = "application/vnd.confluent.avro"
_MAGIC = b"\x00"
_HEADER_BYTES = 5
# What fastavro raises on bytes that are not of the schema, or on a foreign schema that ours cannot read.
_AVRO_ERRORS = (EOFError, ValueError, LookupError, TypeError, ArithmeticError, AttributeError, SchemaResolutionError)


class UndecodableRecord(Permanent):
    """The bytes are not a record of ours; they go to dead letters as they came."""

    error_class = "undecodable"


class Codec:
    """Encodes and decodes every record of `steno.events.records`."""

    def __init__(self, ids: SchemaIds) -> None:
        self._ids = ids
        self._reader_schemas = {name: load_schema(name) for name in RECORDS}

    def encode(self, record: Record) -> bytes:
        """The record in Confluent framing."""
        schema_id = self._ids.id_of(type(record).__name__)
        buffer = BytesIO()
        buffer.write(_MAGIC + schema_id.to_bytes(4, "big"))
        schemaless_writer(buffer, self._ids.schema_of(schema_id), record.model_dump())
        return buffer.getvalue()

    def decode(self, value: bytes | None) -> Record:
        """The record that framed bytes hold, written by this or any compatible version of its schema.

        Raises:
            UndecodableRecord: not framed, not Avro, not one of our records, or not valid (an empty call id, say).
            UnknownSchema: an id not met so far; `await learn(error.schema_id)` may find it.
        """
        if value is None or len(value) < _HEADER_BYTES or value[:1] != _MAGIC:
            raise UndecodableRecord(
                "the value is not in Confluent framing: it must start with 0x00 and a four-byte schema id; "
                "publish with an Avro serializer and the schemas of Steno"
            )
        writer_schema = self._ids.schema_of(int.from_bytes(value[1:_HEADER_BYTES], "big"))
        name = str(writer_schema["name"]).rpartition(".")[2]
        record_type = RECORDS.get(name)
        if record_type is None:
            raise UndecodableRecord(f"the schema id names {writer_schema['name']}, which is not a record of Steno")
        body = BytesIO(value[_HEADER_BYTES:])
        try:
            fields: Any = schemaless_reader(body, writer_schema, self._reader_schemas[name])
            return record_type.model_validate(fields)
        except ValidationError as error:
            problems = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
            raise UndecodableRecord(f"{name} is not valid: {problems}") from error
        except _AVRO_ERRORS as error:
            raise UndecodableRecord(f"the value is not an Avro {name}: {error or type(error).__name__}") from error

    async def learn(self, schema_id: int) -> None:
        """Looks up a schema id that `decode` did not know. Raises `UnknownSchema` or `Retryable`."""
        await self._ids.learn(schema_id)
