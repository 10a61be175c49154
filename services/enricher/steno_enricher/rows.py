"""The rows of the enricher's table: their keys, and the line in front of each that tells the sweep what it must know. Pure.

```
["call","recording"]   one pass over a call       steno_enricher.pass_state
["call"]               what is known of the call  steno_enricher.call_row
```

The line has when the row was written, what it is, and when something is to be done about it: `1772366400 open 1772366520`.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Protocol


class Rows(Protocol):
    """The table, kept where another process finds it."""

    def get(self, key: bytes) -> bytes | None:
        """A row."""

    async def put(self, key: bytes, row: bytes, *, partition: int) -> None:
        """Keeps a row; returns when it is safe. Raises `Retryable`, and `RecordRefused` where it is too large to be kept."""

    async def delete(self, key: bytes) -> None:
        """Takes a row out; returns when that is safe. Raises `Retryable`."""

    def partition(self, key: bytes) -> int:
        """The partition of a row that there is."""

    def items(self) -> Iterable[tuple[bytes, bytes]]:
        """Every row there is now."""


class Kind(StrEnum):
    """What a row is, as far as the sweep needs it."""

    OPEN = "open"
    """A pass of which more is to come."""
    FINISHED = "finished"
    """A pass of which all is told, as far as one can know."""
    CALL = "call"
    """What is known of a call."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """The line in front of a row."""

    written_at: datetime
    kind: Kind
    #: When something is to be done about the row unless it is written before.
    due_at: datetime | None = None

    def before(self, document: object) -> bytes:
        """A row: this line, then a document as JSON."""
        line = f"{int(self.written_at.timestamp())} {self.kind}"
        if self.due_at is not None:
            line += f" {self.due_at.timestamp()}"
        return f"{line}\n{json.dumps(document, separators=(',', ':'), ensure_ascii=False)}".encode()


def line_of(row: bytes) -> Line:
    """The line in front of a row."""
    written, kind, *due = row[: row.index(b"\n")].decode().split()
    written_at = _moment(written)
    return Line(written_at=written_at, kind=Kind(kind), due_at=_moment(due[0]) if due else None)


def pass_key(call_id: str, recording_id: str) -> bytes:
    """The key of a pass over a call."""
    return _key([call_id, recording_id])


def call_key(call_id: str) -> bytes:
    """The key of a call."""
    return _key([call_id])


def pass_prefix(call_id: str) -> bytes:
    """What the keys of all passes over a call begin with, and no other key does."""
    return call_key(call_id)[:-1] + b","


def ids_of(key: bytes) -> tuple[str, str]:
    """Call id and recording id of a pass's key."""
    call_id, recording_id = json.loads(key)
    return call_id, recording_id


def _key(ids: list[str]) -> bytes:
    return json.dumps(ids, ensure_ascii=False, separators=(",", ":")).encode()


def _moment(seconds: str) -> datetime:
    return datetime.fromtimestamp(float(seconds), UTC)
