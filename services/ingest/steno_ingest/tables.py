"""The tables of the outbox and of webhooks, the same on SQLite and PostgreSQL.

Those of recordings stand in `recordings.tables`, those of live calls in `calls.ledger.tables`; all share one `metadata`.
"""

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
SEQUENCE = BigInteger().with_variant(Integer, "sqlite")

outbox = Table(
    "outbox",
    metadata,
    Column("id", SEQUENCE, primary_key=True, autoincrement=True),
    Column("topic", String(64), nullable=False),
    Column("key", ID, nullable=False),
    # None is a tombstone.
    Column("value", LargeBinary),
    # Pairs of name and value; values are ASCII, as CloudEvents and W3C Trace Context have them.
    Column("headers", JSON, nullable=False),
    # The recording that counts as published once this row is.
    Column("recording_id", ID, index=True),
    Column("created_at", UtcDateTime, nullable=False),
    sqlite_autoincrement=True,
)

# What Kafka will never take: rows of the outbox, set aside for a person to look at, and to put back once the cause is gone.
outbox_refused = Table(
    "outbox_refused",
    metadata,
    Column("id", SEQUENCE, primary_key=True, autoincrement=True),
    Column("topic", String(64), nullable=False),
    Column("key", ID, nullable=False),
    Column("value", LargeBinary),
    Column("headers", JSON, nullable=False),
    Column("recording_id", ID, index=True),
    Column("created_at", UtcDateTime, nullable=False),
    Column("reason", Text, nullable=False),
    Column("refused_at", UtcDateTime, nullable=False),
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
    # Its tenant; empty: it belongs to none.
    Column("tenant", String(64), nullable=False, server_default=""),
    # The secret before, which signs too until then; none outside of a rotation.
    Column("previous_encrypted_secret", LargeBinary),
    Column("previous_expires_at", UtcDateTime),
    Index("ix_webhooks_page", "created_at", "webhook_id"),
)
