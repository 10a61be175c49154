"""The example of `docs/extending.md`: a record, its schema and its topic."""

from datetime import datetime
from typing import Any

from pydantic import AwareDatetime

from steno.events.catalogue import Topic
from steno.events.records import Record


class RuleChanged(Record):
    """A rule was set or changed."""

    rule_id: str
    words: tuple[str, ...] = ()
    changed_at: AwareDatetime


#: In a service's schema folder this is `schemas/records/RuleChanged.avsc`.
SCHEMA: dict[str, Any] = {
    "type": "record",
    "name": "RuleChanged",
    "namespace": "steno",
    "doc": "A rule was set or changed.",
    "fields": [
        {"name": "rule_id", "type": "string", "doc": "Which rule; the message key."},
        {
            "name": "words",
            "type": {"type": "array", "items": "string"},
            "default": [],
            "doc": "The words that the rule looks for.",
        },
        {
            "name": "changed_at",
            "type": {"type": "long", "logicalType": "timestamp-micros"},
            "doc": "When it was set or changed.",
        },
    ],
}

#: And this is `[topics.rules]` in `schemas/topics.toml`.
RULES = Topic(
    name="rules",
    key="rule_id",
    records=("RuleChanged",),
    written_by=("ingest",),
    read_by=("enricher",),
    bad_records_to="",
    description="Rules as they were set last.",
    cleanup="compact",
    retention_ms=None,
)


def rule(rule_id: str, *words: str, at: datetime) -> RuleChanged:
    """A rule that looks for words."""
    return RuleChanged(rule_id=rule_id, words=words, changed_at=at)
