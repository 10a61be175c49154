"""Opaque cursors: where a page of deliveries ended."""

import base64
import json
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Position:
    """The last delivery of a page."""

    created_at: datetime
    delivery_id: str


def encode(position: Position) -> str:
    """The position as a text that fits into a URL."""
    text = json.dumps([position.created_at.isoformat(), position.delivery_id], separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def decode(cursor: str) -> Position:
    """The position of a cursor that `encode` made.

    Raises:
        ValueError: it was made by someone else.
    """
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        moment, delivery_id = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
        created_at = datetime.fromisoformat(moment)
        if created_at.tzinfo is not None and isinstance(delivery_id, str) and "\0" not in delivery_id:
            return Position(created_at=created_at, delivery_id=delivery_id)
    except (ValueError, TypeError, RecursionError):
        pass
    raise ValueError("the cursor is not one that a list gave out; take it from `next` of the page before, as it is")
