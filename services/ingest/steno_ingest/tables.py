"""The tables of the outbox, of totals and of webhooks, the same on SQLite and PostgreSQL.

Those of recordings are in `recordings.tables`, those of live calls in `calls.ledger.tables`; all share one `metadata`.
"""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    text,
)

from steno.storage.columns import UtcDateTime

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(column_0_label)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

ID = String(256)
#: The condition of an index of recordings or calls that the totals do not contain yet.
UNCOUNTED = text("counted IS NOT TRUE")
SEQUENCE = BigInteger().with_variant(Integer, "sqlite")


def _record() -> Iterator[Column[Any]]:
    """The columns of a record to be published."""
    yield Column("id", SEQUENCE, primary_key=True, autoincrement=True)
    yield Column("topic", String(64), nullable=False)
    yield Column("key", ID, nullable=False)
    # None is a tombstone.
    yield Column("value", LargeBinary)
    # Pairs of name and value; values are ASCII, as CloudEvents and W3C Trace Context require.
    yield Column("headers", JSON, nullable=False)
    # The recording that counts as published when this row is.
    yield Column("recording_id", ID, index=True)
    yield Column("created_at", UtcDateTime, nullable=False)


outbox = Table("outbox", metadata, *_record(), sqlite_autoincrement=True)

# Rows of the outbox that Kafka will never accept. A person looks at them, and may move them back once the cause is fixed.
outbox_refused = Table(
    "outbox_refused",
    metadata,
    *_record(),
    Column("reason", Text, nullable=False),
    Column("refused_at", UtcDateTime, nullable=False),
)

# How many recordings and calls made which transition, of those that have ended and were counted; see `totals`.
totals = Table(
    "totals",
    metadata,
    # recordings or calls.
    Column("ledger", String(16), primary_key=True),
    Column("tenant", String(64), primary_key=True),
    # Empty: they were accepted.
    Column("from_state", String(16), primary_key=True),
    Column("to_state", String(16), primary_key=True),
    Column("count", BigInteger, nullable=False),
)

webhooks = Table(
    "webhooks",
    metadata,
    Column("webhook_id", ID, primary_key=True),
    Column("url", Text, nullable=False),
    Column("events", JSON, nullable=False),
    Column("encrypted_secret", LargeBinary, nullable=False),
    Column("enabled", Boolean, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    # Its tenant; empty if it has none.
    Column("tenant", String(64), nullable=False, server_default=""),
    # The previous secret, which signs too until `previous_expires_at`; NULL if there was no rotation.
    Column("previous_encrypted_secret", LargeBinary),
    Column("previous_expires_at", UtcDateTime),
    Index("ix_webhooks_page", "created_at", "webhook_id"),
)
