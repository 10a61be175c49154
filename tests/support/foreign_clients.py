"""Writes records by clients that use only Steno's .avsc files: librdkafka, and Apache's Avro for the encoding."""

from collections.abc import Callable, Iterable
from io import BytesIO
from typing import Any

import avro.io
import avro.schema
from confluent_kafka import Message as ForeignMessage
from confluent_kafka import Producer as ForeignProducer

from steno.events.schemas import published_ids, schemas_folder


def avsc(record: str) -> avro.schema.Schema:
    """Reads the schema of a record from the repository."""
    return avro.schema.parse((schemas_folder() / "records" / f"{record}.avsc").read_text("utf-8"))


def produce(kafka: str, topic: str, records: Iterable[tuple[str, bytes]]) -> dict[str, int]:
    """Writes records with their keys by librdkafka with Java's partitioner; returns the partition of each key."""
    partitions: dict[str, int] = {}
    # Idempotent, so that a retry keeps the order.
    options = {"bootstrap.servers": kafka, "partitioner": "murmur2_random", "enable.idempotence": True}
    producer = ForeignProducer(options)

    def remember(key: str) -> Callable[[Any, ForeignMessage], None]:
        def delivered(error: Any, message: ForeignMessage) -> None:
            assert error is None
            partition = message.partition()
            assert partition is not None
            partitions[key] = partition

        return delivered

    for key, value in records:
        producer.produce(topic, key=key.encode(), value=value, on_delivery=remember(key))
    assert producer.flush(30) == 0
    return partitions


def written_abroad(record: str, fields: dict[str, Any]) -> bytes:
    """Encodes a record in Confluent framing by its .avsc and published id only; omitted fields have their defaults."""
    schema_id = max(key for key, entry in published_ids().items() if entry["record"] == record)
    body = BytesIO()
    schema = avsc(record)
    assert isinstance(schema, avro.schema.RecordSchema)
    left_out = {field.name: field.default for field in schema.fields if field.has_default}
    avro.io.DatumWriter(schema).write({**left_out, **fields}, avro.io.BinaryEncoder(body))
    return b"\x00" + schema_id.to_bytes(4, "big") + body.getvalue()
