"""`topics.md`: the topic catalogue and the records, from `schemas/`."""

import json
from collections.abc import Iterator
from typing import Any

from pages.markdown import NOTE, code, table

from steno.events.access import OUTSIDE, access_of
from steno.events.catalogue import DEAD_LETTERS, ENRICHER_CHANGELOG, REDRIVEN, Topic, catalogue, topic_config
from steno.events.schemas import published_ids, schemas_folder
from steno.settings import SERVICES, TopicSettings

_DAY_MS = 86_400_000
_OTHER_VALUES = {
    DEAD_LETTERS.name: "the original bytes",
    ENRICHER_CHANGELOG.name: "rows of a table",
    REDRIVEN.name: "the timestamp of the dead letter",
}

_INTRODUCTION = """# Topics

The contract of Steno with the systems around it. The same as a machine reads it: [asyncapi.yaml](../schemas/asyncapi.yaml);
the records' schemas are in [schemas/records](../schemas/records).

Names carry the prefix of `STENO_TOPIC_PREFIX` (`steno.` by default). The key is UTF-8 text. Topics keyed by call all have
`STENO_TOPIC_PARTITIONS` partitions, and whoever writes to them must use Kafka's own partitioner (murmur2; in librdkafka
`partitioner=murmur2_random`), so that one call's data meet in one partition number everywhere.

Values are Avro in Confluent's framing: a zero byte, the schema id as four bytes big-endian, the Avro body. The ids below are
those that ship with Steno; with `STENO_SCHEMA_REGISTRY_URL` set they are the registry's. A schema only ever changes so that
every version reads every other.

Headers: `content-type`, `traceparent` (W3C) and CloudEvents in binary mode (`ce_id`, `ce_source`, `ce_type`, `ce_time`,
`ce_specversion`). A producer outside Steno may leave them all out.

The key must be the one that the record names. What is no record of its topic is put into `dead-letters` by one service, named
below; the others that read the topic pass over it.

"""


_ACCESS = """## Access

On a cluster with access control, the user of each service needs these ACLs, by literal names, and no others; an idempotent
producer needs none of its own, and nothing uses transactions. `Create` is for topics that are missing at start: leave it out if
you run `steno topics create` as an administrator. Upstream and downstream systems bring consumer groups of their own. The
operator, who runs `steno dead-letters`, needs Write on the topics that letters are sent back to as well, Delete on
`dead-letters` to purge it, and Create for the first redrive.

"""


def page() -> str:
    """The whole page."""
    topics = catalogue().values()
    made = table(["Topic", "Made with"], ([code(topic.name), _config(topic)] for topic in topics))
    records = [_record(name) for topic in topics for name in topic.records]
    return NOTE + _INTRODUCTION + _overview() + made + _access() + "## Records\n\n" + "".join(records)


def _overview() -> str:
    rows = [
        [
            code(topic.name),
            topic.description,
            code(topic.key) if topic.key.isidentifier() else topic.key,
            ", ".join(f"[{name}](#{name.lower()})" for name in topic.records) or _OTHER_VALUES[topic.name],
            ", ".join(topic.written_by),
            ", ".join(topic.read_by),
            topic.bad_records_to,
            _kept(topic),
        ]
        for topic in catalogue().values()
    ]
    return table(["Topic", "What", "Key", "Records", "Written by", "Read by", "Bad records to dead letters by", "Kept"], rows)


def _access() -> str:
    prefix: str = TopicSettings.model_fields["prefix"].default
    rows = [
        [user, rule.resource.lower(), code(rule.name), ", ".join(rule.operations)]
        for user in (*SERVICES, *OUTSIDE)
        for rule in access_of(user).rules(prefix)
    ]
    return _ACCESS + table(["User", "Resource", "Name", "Operations"], rows)


def _kept(topic: Topic) -> str:
    parts = ["the newest of each key"] if "compact" in topic.cleanup else []
    if topic.retention_ms is not None:
        parts.append(f"{topic.retention_ms / _DAY_MS:g} d")
    return ", ".join(parts)


def _config(topic: Topic) -> str:
    return " ".join(code(f"{name}={value}") for name, value in sorted(topic_config(topic).items()))


def _record(name: str) -> str:
    schema = json.loads((schemas_folder() / "records" / f"{name}.avsc").read_text("utf-8"))
    published = published_ids().items()
    ids = [f"{schema_id} (version {entry['version']})" for schema_id, entry in published if entry["record"] == name]
    fields = table(["Field", "Type", "Default", "What"], _fields(schema, ""))
    return f"### {name}\n\n{schema['doc']}\n\nSchema id {', '.join(ids)}.\n\n{fields}"


def _fields(schema: dict[str, Any], path: str) -> Iterator[list[str]]:
    for field in schema["fields"]:
        name = path + field["name"]
        yield [code(name), _type(field["type"]), code(field["default"]) if "default" in field else "", field["doc"]]
        if isinstance(field["type"], dict) and isinstance(field["type"].get("items"), dict):
            yield from _fields(field["type"]["items"], f"{name}[].")


def _type(node: Any) -> str:
    """An Avro type in words."""
    if isinstance(node, list):
        return " or ".join(_type(branch) for branch in node)
    if isinstance(node, str):
        return node
    match node["type"]:
        case "array":
            return f"list of {_type(node['items'])}"
        case "map":
            return f"map of {_type(node['values'])}"
        case "enum":
            return "one of " + ", ".join(map(code, node["symbols"]))
        case "record":
            return str(node["name"])
    return f"{node['type']} ({node['logicalType']})"
