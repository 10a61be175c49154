"""Pages of lists and their cursors: the next page begins right after the last entry, whatever was added meanwhile. Pure."""

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Generic, TypeVar

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

T = TypeVar("T")
U = TypeVar("U")


@dataclass(frozen=True, kw_only=True, slots=True)
class Position:
    """The last entry of a page, by what the list is ordered by: a time, and an id where times are the same."""

    at: datetime
    id: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Page(Generic[T]):
    """Some entries of a list, in its order."""

    entries: list[T]
    #: Where the page ended; None where nothing comes after it.
    end: Position | None

    @property
    def next(self) -> str | None:
        """The cursor of the next page; None after the last."""
        return None if self.end is None else encode(self.end)

    def map(self, convert: Callable[[T], U]) -> "Page[U]":
        """The same page with each entry converted."""
        return Page(entries=[convert(entry) for entry in self.entries], end=self.end)


def encode(position: Position) -> str:
    """The position as a text that fits into a URL."""
    microseconds = (position.at - _EPOCH) // timedelta(microseconds=1)
    text = json.dumps([microseconds, position.id], separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def decode(cursor: str) -> Position:
    """The position of a cursor that `encode` made.

    Raises:
        ValueError: it was made by someone else; the message is for them.
    """
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        microseconds, last = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
        if type(microseconds) is int and type(last) is str and "\0" not in last:
            last.encode()  # JSON may bring lone surrogates, which no database keeps
            return Position(at=_EPOCH + timedelta(microseconds=microseconds), id=last)
    except (ValueError, TypeError, OverflowError, RecursionError):
        pass
    raise ValueError("the cursor is not valid; copy it unchanged from `next` of the previous page")
