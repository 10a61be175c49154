"""The AsyncAPI document of the topics, made from the catalogue and the records' schemas.

For the publisher (`steno.events.publish`) and tests; no service imports it, for `pyyaml` is a development dependency.

Source: AsyncAPI 3.1.0 specification; Kafka bindings 0.5.0; CloudEvents Kafka protocol binding 1.0.2, binary mode.
"""

from collections.abc import Mapping
from typing import Any

import yaml

from steno.events.catalogue import DEAD_LETTERS, Topic, catalogue, topic_config
from steno.events.codec import CONTENT_TYPE
from steno.events.schemas import load_schema
from steno.settings import TopicSettings

Node = dict[str, Any]

# The newest version that AsyncAPI's own Avro parser knows; our schemas use nothing later.
_AVRO = "application/vnd.apache.avro;version=1.9.0"
_KAFKA_BINDING = "0.5.0"
_KEYS = {"call_id": "The call.", "webhook_id": "The webhook."}
_DEAD_LETTER = "DeadLetter"

_EVENT_HEADERS = {
    "content-type": f"Always {CONTENT_TYPE}.",
    "traceparent": "W3C trace context: the trace this record belongs to.",
    "ce_specversion": "CloudEvents version, 1.0.",
    "ce_id": "Id of the event.",
    "ce_source": "Who sent it, e.g. /steno/transcriber.",
    "ce_type": "The record's full name, e.g. steno.Phrase.",
    "ce_time": "When it was sent, RFC 3339.",
}
_DEAD_LETTER_HEADERS = {
    "steno-origin-topic": "Topic it stood on.",
    "steno-origin-partition": "Partition it stood in.",
    "steno-origin-offset": "Offset it stood at.",
    "steno-error-class": "Class of the error, for programs.",
    "steno-error-message": "What was wrong, for a person.",
    "steno-attempts": "How often it was tried.",
    "steno-service": "The service that gave it up.",
}


def document_text(ids: Mapping[str, int]) -> str:
    """The document as YAML; payloads refer to `records/NAME.avsc` beside it.

    Args:
        ids: The shipped schema id of every record.
    """
    text = yaml.safe_dump(document(ids), sort_keys=False, allow_unicode=True, width=120)
    return "# Made from topics.toml and records/ by `make docs`; do not edit.\n" + text


def document(ids: Mapping[str, int]) -> Node:
    """The document as plain values."""
    # What a service keeps for itself alone, in a form of its own, is no part of the contract.
    topics = [topic for topic in catalogue().values() if topic.records or topic is DEAD_LETTERS]
    messages = {record: _message(record, ids[record]) for topic in topics for record in topic.records}
    return {
        "asyncapi": "3.1.0",
        "info": {
            "title": "Steno",
            # Schemas are full-transitive compatible, so the major version stays; each frozen schema is a minor one.
            "version": f"1.{max(ids.values(), default=0)}.0",
            "description": "The Kafka topics of Steno: recordings in; phrases, transcripts, insights and summaries out.",
            "license": {"name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"},
        },
        "defaultContentType": CONTENT_TYPE,
        "servers": {
            "kafka": {
                "host": "{bootstrap}",
                "protocol": "kafka",
                "description": "The cluster of KAFKA_BOOTSTRAP_SERVERS.",
                "variables": {"bootstrap": {"default": "127.0.0.1:9092", "description": "A broker, host:port."}},
            }
        },
        "channels": {topic.name: _channel(topic) for topic in topics},
        "operations": dict(operation for topic in topics for operation in _operations(topic)),
        "components": {"messages": {**messages, _DEAD_LETTER: _dead_letter()}},
    }


def _channel(topic: Topic) -> Node:
    config: Node = dict(topic_config(topic))
    numbers = ("retention.ms", "delete.retention.ms", "max.message.bytes")
    return {
        "address": "{prefix}" + topic.name,
        "title": topic.name,
        "description": topic.description,
        "parameters": {
            "prefix": {"default": TopicSettings.model_fields["prefix"].default, "description": "STENO_TOPIC_PREFIX."}
        },
        "messages": {record: {"$ref": f"#/components/messages/{record}"} for record in _records(topic)},
        "bindings": {
            "kafka": {
                "partitions": TopicSettings.model_fields["partitions"].default,
                "topicConfiguration": {
                    "cleanup.policy": config["cleanup.policy"].split(","),
                    **{name: int(config[name]) for name in numbers if name in config},
                },
                "bindingVersion": _KAFKA_BINDING,
            }
        },
    }


def _operations(topic: Topic) -> list[tuple[str, Node]]:
    """What Steno does with a topic: it sends what its services write, and receives what others may write too."""
    channel = {"$ref": f"#/channels/{topic.name}"}
    services = [writer for writer in topic.written_by if writer != "upstream"]
    summary = f"Written by {', '.join(services)}" + (f"; read by {', '.join(topic.read_by)}." if topic.read_by else ".")
    operations = [(f"send-{topic.name}", {"action": "send", "channel": channel, "summary": summary})]
    if "upstream" in topic.written_by:
        summary = "Upstream systems may write here directly."
        operations.append((f"receive-{topic.name}", {"action": "receive", "channel": channel, "summary": summary}))
    return operations


def _records(topic: Topic) -> tuple[str, ...]:
    return topic.records or (_DEAD_LETTER,)


def _message(record: str, schema_id: int) -> Node:
    key = next(topic.key for topic in catalogue().values() if record in topic.records)
    return {
        "name": record,
        "title": record,
        "summary": load_schema(record)["doc"],
        "contentType": CONTENT_TYPE,
        "headers": _headers(_EVENT_HEADERS),
        "payload": {"schemaFormat": _AVRO, "schema": {"$ref": f"./records/{record}.avsc"}},
        "bindings": {
            "kafka": {
                "key": {"type": "string", "description": _KEYS[key]},
                "schemaIdLocation": "payload",
                "schemaIdPayloadEncoding": "confluent",
                "schemaLookupStrategy": "RecordNameStrategy",
                "bindingVersion": _KAFKA_BINDING,
            }
        },
        "x-schema-id": schema_id,
    }


def _dead_letter() -> Node:
    return {
        "name": _DEAD_LETTER,
        "title": _DEAD_LETTER,
        "summary": "The original key, bytes and headers of a message that could not be processed, with where and why.",
        "contentType": "application/octet-stream",
        "headers": _headers(_DEAD_LETTER_HEADERS),
        "payload": {"type": "string", "format": "binary"},
    }


def _headers(descriptions: Mapping[str, str]) -> Node:
    properties = {name: {"type": "string", "description": text} for name, text in descriptions.items()}
    return {"type": "object", "properties": properties}
