"""Records to bytes and back: Avro in Confluent's framing, which Connect, Flink, ksqlDB, kcat and every UI can read. Pure.

The frame is `0x00`, the schema id as four bytes big-endian, then the Avro body.

Source: Confluent "Wire format" of the Schema Registry serializer; Apache Avro 1.12 specification, schema resolution.
"""

from io import BytesIO
from typing import Any

from fastavro import schemaless_reader, schemaless_writer
from pydantic import ValidationError

from steno.errors import Permanent
from steno.events.records import RECORDS, Record
from steno.events.schemas import Schema, SchemaIds, load_schema

CONTENT_TYPE = "application/vnd.confluent.avro"
_MAGIC = b"\x00"
_HEADER_BYTES = 5
_MOST_PROBLEMS = 10


class UndecodableRecord(Permanent):
    """The bytes are not a record of ours; they go to dead letters as they came."""

    error_class = "undecodable"


class Codec:
    """Encodes and decodes every record of `steno.events.records`."""

    def __init__(self, ids: SchemaIds) -> None:
        self._ids = ids
        self._reader_schemas = {name: load_schema(name) for name in RECORDS}
        #: By schema id: an id never comes to name another schema.
        self._readers: dict[int, tuple[str, Schema, Schema | None]] = {}

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
        schema_id = int.from_bytes(value[1:_HEADER_BYTES], "big")
        name, writer_schema, reader_schema = self._readers.get(schema_id) or self._reader_of(schema_id)
        body = BytesIO(value[_HEADER_BYTES:])
        try:
            fields: Any = schemaless_reader(body, writer_schema, reader_schema)
        except Exception as error:
            # Whatever the reader raises: the bytes are not of the schema, or ours cannot read what that writes.
            raise UndecodableRecord(f"the value is not an Avro {name}: {error or type(error).__name__}") from error
        try:
            return RECORDS[name].model_validate(fields)
        except ValidationError as error:
            problems = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()[:_MOST_PROBLEMS])
            raise UndecodableRecord(f"{name} is not valid: {problems}") from error

    def _reader_of(self, schema_id: int) -> tuple[str, Schema, Schema | None]:
        """Which record a schema id names, its schema, and the schema that it is to be read with if that is another one."""
        writer_schema = self._ids.schema_of(schema_id)
        name = str(writer_schema["name"]).rpartition(".")[2]
        if name not in RECORDS:
            raise UndecodableRecord(f"the schema id names {writer_schema['name']}, which is not a record of Steno")
        reader_schema = self._reader_schemas[name]
        # The reader would compare the two for each record.
        found = name, writer_schema, None if writer_schema == reader_schema else reader_schema
        self._readers[schema_id] = found
        return found

    def is_current(self, value: bytes, name: str) -> bool:
        """Whether bytes are a record of this name as this version writes it, whatever schema id they are framed with."""
        body = BytesIO(value[_HEADER_BYTES:])
        try:
            schemaless_reader(body, self._reader_schemas[name], None)
        except Exception:  # noqa: BLE001 - whatever the reader raises says that they are not
            return False
        return not body.read(1)

    async def learn(self, schema_id: int) -> None:
        """Looks up a schema id that `decode` did not know. Raises `UnknownSchema` or `Retryable`."""
        await self._ids.learn(schema_id)
