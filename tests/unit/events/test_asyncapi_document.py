"""The AsyncAPI document says what the catalogue says."""

from collections.abc import Iterator
from typing import Any

import yaml

from steno.events.asyncapi import document, document_text
from steno.events.catalogue import ENRICHER_CHANGELOG, REDRIVEN, catalogue
from steno.events.records import RECORDS
from steno.events.schemas import ShippedSchemaIds, schemas_folder

IDS = {record: ShippedSchemaIds().id_of(record) for record in RECORDS}
DOCUMENT = document(IDS)


def references(node: Any) -> Iterator[str]:
    """Every $ref of a document."""
    if isinstance(node, dict):
        if "$ref" in node:
            yield node["$ref"]
        for value in node.values():
            yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


def test_every_reference_leads_somewhere() -> None:
    """Within the document, or to the .avsc beside it."""
    for reference in references(DOCUMENT):
        if reference.startswith("#/"):
            node: Any = DOCUMENT
            for part in reference[2:].split("/"):
                node = node[part]
        else:
            assert (schemas_folder() / reference.removeprefix("./")).is_file(), reference


def test_channels_are_the_topics() -> None:
    """Every topic that others may read is a channel under the installation's prefix, with the records that stand on it."""
    topics = {name: topic for name, topic in catalogue().items() if topic not in (ENRICHER_CHANGELOG, REDRIVEN)}
    assert list(DOCUMENT["channels"]) == list(topics)
    for name, topic in topics.items():
        channel = DOCUMENT["channels"][name]
        assert channel["address"] == "{prefix}" + name
        assert list(channel["messages"]) == list(topic.records or ["DeadLetter"])


def test_only_topics_open_to_upstream_are_received() -> None:
    """An upstream system sees where it may write."""
    received = [name for name, operation in DOCUMENT["operations"].items() if operation["action"] == "receive"]
    assert received == ["receive-recordings", "receive-call-audio"]


def test_the_text_holds_the_document() -> None:
    """YAML and back changes nothing."""
    assert yaml.safe_load(document_text(IDS)) == DOCUMENT
