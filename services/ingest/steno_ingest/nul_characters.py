"""Keeps NUL characters out of the database, since PostgreSQL cannot store them in text (PostgreSQL §8.3). Pure."""

from steno.events.records import CallRecord
from steno_ingest.errors import UnusableId


def refuse_nul(record: CallRecord, *texts: str) -> None:
    """Checks that the call id and other texts of a record contain no NUL.

    Raises:
        UnusableId: one contains a NUL. It is not replaced, because two ids could become the same.
    """
    if any("\0" in text for text in (record.call_id, *texts)):
        raise UnusableId(
            f"{type(record).__name__} has a NUL character in its ids, URL or locale; publish it without NUL characters"
        )


def without_nul(text: str) -> str:
    """Returns a text with its NULs replaced."""
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}")
