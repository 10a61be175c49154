"""Texts of others on their way into a database: PostgreSQL keeps no NUL in any (PostgreSQL §8.3). Pure."""

from steno.events.records import CallRecord
from steno_ingest.errors import UnusableId


def check_ids(record: CallRecord, *texts: str) -> None:
    """Passes a record whose call id, and these of its texts, can be kept.

    Raises:
        UnusableId: one has a NUL in it; it cannot be told from others without, so it is not made harmless.
    """
    if any("\0" in text for text in (record.call_id, *texts)):
        raise UnusableId(f"{type(record).__name__} has a NUL character in its ids, URL or locale; publish it without")


def clean(text: str) -> str:
    """A text for people, NULs made harmless."""
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}")
