"""Keeps NUL characters out of the database: PostgreSQL keeps none in a text (PostgreSQL §8.3). Pure."""

from steno.events.records import CallRecord
from steno_ingest.errors import UnusableId


def refuse_nul(record: CallRecord, *texts: str) -> None:
    """Checks that the call id of a record, and these of its texts, have no NUL in them.

    Raises:
        UnusableId: one has; it is not replaced, because two ids could become one.
    """
    if any("\0" in text for text in (record.call_id, *texts)):
        raise UnusableId(f"{type(record).__name__} has a NUL character in its ids, URL or locale; publish it without")


def without_nul(text: str) -> str:
    """A text for people, its NULs replaced."""
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}")
