"""The rows of the enricher's table: their keys, and the header line that each begins with, for the sweep. Pure.

```
["call","recording"]   one pass over a call       steno_enricher.pass_state
["call"]               what is known of the call  steno_enricher.call_row
```

The header has when the row was written, its kind, and when it is due, if it is: `1772366400 open 1772366520`.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Protocol


class Rows(Protocol):
    """The table, stored so that another process can take it over."""

    def get(self, key: bytes) -> bytes | None:
        """Returns a row; None where there is none."""

    async def put(self, key: bytes, row: bytes, *, partition: int) -> None:
        """Stores a row and returns when it is on all replicas. Raises `Retryable`, `RecordRefused` (too large)."""

    async def delete(self, key: bytes) -> None:
        """Deletes a row and returns when that is on all replicas. Raises `Retryable`."""

    def partition(self, key: bytes) -> int:
        """The partition of an existing row."""

    def items(self) -> Iterable[tuple[bytes, bytes]]:
        """All rows with their keys."""


class Kind(StrEnum):
    """The kind of a row, which decides how long the sweep keeps it."""

    OPEN = "open"
    """A pass of which more is to come."""
    FINISHED = "finished"
    """A pass whose summary is published, or which failed or was closed."""
    CALL = "call"
    """What is known of a call."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RowHeader:
    """The header line of a row."""

    written_at: datetime
    kind: Kind
    #: When the row is to be handled by the sweep, unless it is written before.
    due_at: datetime | None = None

    def to_row(self, document: object) -> bytes:
        """A row with this header and a document as JSON."""
        line = f"{int(self.written_at.timestamp())} {self.kind}"
        if self.due_at is not None:
            line += f" {self.due_at.timestamp()}"
        return f"{line}\n{json.dumps(document, separators=(',', ':'), ensure_ascii=False)}".encode()


def read_header(row: bytes) -> RowHeader:
    """Reads the header line of a row."""
    written, kind, *due = row[: row.index(b"\n")].decode().split()
    written_at = _moment(written)
    return RowHeader(written_at=written_at, kind=Kind(kind), due_at=_moment(due[0]) if due else None)


def pass_key(call_id: str, recording_id: str) -> bytes:
    """The key of a pass over a call."""
    return _key([call_id, recording_id])


def call_key(call_id: str) -> bytes:
    """The key of a call."""
    return _key([call_id])


def pass_prefix(call_id: str) -> bytes:
    """The prefix of the keys of all passes over a call, and of no other key."""
    return call_key(call_id)[:-1] + b","


def ids_of(key: bytes) -> tuple[str, str]:
    """The call id and recording id in the key of a pass."""
    call_id, recording_id = json.loads(key)
    return call_id, recording_id


def _key(ids: list[str]) -> bytes:
    return json.dumps(ids, ensure_ascii=False, separators=(",", ":")).encode()


def _moment(seconds: str) -> datetime:
    return datetime.fromtimestamp(float(seconds), UTC)
