"""The topic catalogue (`schemas/topics.toml`) as typed values: names, keys, records, retention and owner."""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from steno.events.records import Record
from steno.events.schemas import schemas_folder

_UNITS_MS = {"d": 86_400_000, "h": 3_600_000, "m": 60_000}


@dataclass(frozen=True, kw_only=True, slots=True)
class Topic:
    """One topic of the catalogue; `name` is without the prefix of the installation."""

    name: str
    #: Field of the records that is the message key.
    key: str
    #: Names of the records that may stand on it.
    records: tuple[str, ...]
    written_by: tuple[str, ...]
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
    document = tomllib.loads((schemas_folder() / "topics.toml").read_text("utf-8"))
    return {
        name: Topic(
            name=name,
            key=entry["key"],
            records=tuple(entry["records"]),
            written_by=tuple(entry["written_by"]),
            description=entry["description"],
            cleanup=entry["cleanup"],
            retention_ms=_milliseconds(entry["retention"]) if "retention" in entry else None,
        )
        for name, entry in document["topics"].items()
    }


def _milliseconds(duration: str) -> int:
    match = re.fullmatch(r"(\d+)([dhm])", duration)
    if match is None:
        raise ValueError(f"topics.toml: {duration!r} is not a duration such as 7d, 24h or 30m")
    return int(match[1]) * _UNITS_MS[match[2]]


RECORDINGS = catalogue()["recordings"]
PHRASES = catalogue()["phrases"]
TRANSCRIPTS = catalogue()["transcripts"]
INSIGHTS = catalogue()["insights"]
CALL_SUMMARIES = catalogue()["call-summaries"]
WEBHOOKS = catalogue()["webhooks"]
DEAD_LETTERS = catalogue()["dead-letters"]
