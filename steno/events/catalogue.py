"""The topic catalogue (`schemas/topics.toml`) as typed values: names, keys, records, retention, writers and readers."""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from steno.events.records import Record
from steno.events.schemas import schemas_folder

_HOUR_MS = 3_600_000
_DAY_MS = 24 * _HOUR_MS
_COMPACTED_SEGMENT_BYTES = 8 << 20
_UNITS_MS = {"d": _DAY_MS, "h": _HOUR_MS, "m": 60_000}

#: What a producer of ours may send; the broker's own default.
MAX_RECORD_BYTES = 1_048_576
#: Dead letters carry a record of any allowed size plus headers.
MAX_DEAD_LETTER_BYTES = 2 * MAX_RECORD_BYTES


@dataclass(frozen=True, kw_only=True, slots=True)
class Topic:
    """One topic of the catalogue; `name` is without the prefix of the installation."""

    name: str
    #: Field of the records that is the message key.
    key: str
    #: Names of the records that may stand on it.
    records: tuple[str, ...]
    #: The services that write it; `upstream` is systems outside Steno.
    written_by: tuple[str, ...]
    #: The services that read it; `downstream` is systems outside Steno, `operator` the command line.
    read_by: tuple[str, ...]
    #: The service that puts what is no record of the topic into dead letters; others that read it pass over it. Empty where the
    #: newest of each key counts, or nobody reads it as a member of a group: then it is passed over, and stays where it is.
    bad_records_to: str
    description: str
    #: Kafka's cleanup.policy.
    cleanup: str
    #: Kafka's retention.ms; None where the topic keeps the newest record of each key for ever.
    retention_ms: int | None

    def key_of(self, record: Record) -> str:
        """The message key of a record on this topic."""
        return str(getattr(record, self.key))


@cache
def catalogue() -> Mapping[str, Topic]:
    """Every topic by its name."""
    return {
        name: Topic(
            name=name,
            key=entry["key"],
            records=tuple(entry["records"]),
            written_by=tuple(entry["written_by"]),
            read_by=tuple(entry["read_by"]),
            bad_records_to=entry.get("bad_records_to", ""),
            description=entry["description"],
            cleanup=entry["cleanup"],
            retention_ms=_milliseconds(entry["retention"]) if "retention" in entry else None,
        )
        for name, entry in _document()["topics"].items()
    }


@cache
def groups() -> Mapping[str, str]:
    """The service of every consumer group, by the group's name without the prefix of the installation."""
    return dict(_document()["groups"])


def _document() -> dict[str, Any]:
    return tomllib.loads((schemas_folder() / "topics.toml").read_text("utf-8"))


def _milliseconds(duration: str) -> int:
    match = re.fullmatch(r"(\d+)([dhm])", duration)
    if match is None:
        raise ValueError(f"topics.toml: {duration!r} is not a duration such as 7d, 24h or 30m")
    return int(match[1]) * _UNITS_MS[match[2]]


RECORDINGS = catalogue()["recordings"]
CALL_AUDIO = catalogue()["call-audio"]
CALLS = catalogue()["calls"]
CALL_CHECKPOINTS = catalogue()["call-checkpoints"]
HYPOTHESES = catalogue()["hypotheses"]
PHRASES = catalogue()["phrases"]
TRANSCRIPTS = catalogue()["transcripts"]
INSIGHTS = catalogue()["insights"]
CALL_SUMMARIES = catalogue()["call-summaries"]
ENRICHER_CHANGELOG = catalogue()["enricher-calls-changelog"]
WEBHOOKS = catalogue()["webhooks"]
DEAD_LETTERS = catalogue()["dead-letters"]
REDRIVEN = catalogue()["dead-letters-redriven"]


def topic_config(topic: Topic) -> dict[str, str]:
    """Kafka's settings of a topic.

    Retention and compaction act on closed segments only, so a segment is closed after a tenth of the retention (a day at most),
    and compaction may not be put off beyond a day: what is said to be gone is gone in time. Segments of compacted topics are
    small as well, since whoever needs the newest of each key reads all that is not compacted yet.
    """
    config = {"cleanup.policy": topic.cleanup}
    segment_ms = _DAY_MS
    if topic.retention_ms is not None:
        config["retention.ms"] = str(topic.retention_ms)
        segment_ms = min(segment_ms, max(_HOUR_MS // 6, topic.retention_ms // 10))
    if "compact" in topic.cleanup:
        config["max.compaction.lag.ms"] = str(_DAY_MS)
        config["delete.retention.ms"] = str(_DAY_MS)
        config["min.cleanable.dirty.ratio"] = "0.1"
        segment_ms = min(segment_ms, 6 * _HOUR_MS)
        config["segment.bytes"] = str(_COMPACTED_SEGMENT_BYTES)
    config["segment.ms"] = str(segment_ms)
    if topic.name == CALL_AUDIO.name:
        # Readers judge by the times at which its records were made, which a cluster may be set to overwrite.
        config["message.timestamp.type"] = "CreateTime"
    if topic.name == DEAD_LETTERS.name:
        config["max.message.bytes"] = str(MAX_DEAD_LETTER_BYTES)
    return config
