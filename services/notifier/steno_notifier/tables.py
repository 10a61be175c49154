"""The tables of the notifier, and the order in which they are locked.

```
webhooks ─┐
          ├─ deliveries (one an event and webhook) ── attempts
events ───┘
```

Locks are taken webhook row first, delivery rows after, everywhere: two transactions never wait for each other.
"""

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from steno.storage.columns import UtcDateTime

# Any number that nothing else on the database locks (PostgreSQL §13.3.5, advisory locks).
_MATCHING_LOCK = 0x57454248

metadata = MetaData()

webhooks = Table(
    "webhooks",
    metadata,
    Column("webhook_id", String(256), primary_key=True),
    Column("url", Text, nullable=False),
    Column("events", JSON, nullable=False),
    Column("encrypted_secret", LargeBinary, nullable=False),
    Column("enabled", Boolean, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    # The secret before, which signs too until then; empty outside of a rotation.
    Column("previous_encrypted_secret", LargeBinary, nullable=False, server_default=""),
    Column("previous_expires_at", UtcDateTime),
    Column("updated_at", UtcDateTime, nullable=False),
    # Set when the receiver answered 410; a newer registration clears them.
    Column("disabled_at", UtcDateTime),
    Column("disabled_reason", Text),
    # Until when the receiver asked to be left alone (Retry-After).
    Column("paused_until", UtcDateTime),
    # Its tenant; empty: none, and it hears of every tenant's events.
    Column("tenant", String(64), nullable=False, server_default=""),
)

events = Table(
    "events",
    metadata,
    Column("event_id", String(36), primary_key=True),
    Column("type", String(64), nullable=False),
    Column("call_id", String(256), nullable=False),
    Column("recording_id", String(256), nullable=False),
    Column("occurred_at", UtcDateTime, nullable=False),
    Column("received_at", UtcDateTime, nullable=False),
    Column("body", Text, nullable=False),
    Column("traceparent", String(64)),
    # Its tenant; empty: it belongs to none.
    Column("tenant", String(64), nullable=False, server_default=""),
    Index("events_call_id", "call_id"),
    Index("events_recording_id", "recording_id"),
    Index("events_occurred_at", "occurred_at"),
    Index("events_received_at", "received_at"),
)

deliveries = Table(
    "deliveries",
    metadata,
    Column("delivery_id", String(36), primary_key=True),
    Column("event_id", ForeignKey("events.event_id"), nullable=False),
    Column("webhook_id", String(256), nullable=False),
    Column("state", String(16), nullable=False),
    # When it is to be sent; while it is being sent, when the lease runs out; nothing once it is settled.
    Column("due_at", UtcDateTime),
    # Which claim holds it, and which instance made the claim.
    Column("lease", String(32)),
    Column("leased_by", String(256)),
    # Attempts begun in all, and attempts answered since it was queued or replayed.
    Column("attempts", Integer, nullable=False),
    Column("tries", Integer, nullable=False),
    Column("reason", Text),
    Column("created_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    # Its webhook's, which may be gone.
    Column("tenant", String(64), nullable=False, server_default=""),
    UniqueConstraint("event_id", "webhook_id"),
    Index("deliveries_due", "webhook_id", "due_at"),
    Index("deliveries_created", "created_at", "delivery_id"),
    Index("deliveries_tenant", "tenant", "created_at", "delivery_id"),
    Index("deliveries_state", "state", "created_at", "delivery_id"),
    Index("deliveries_webhook", "webhook_id", "state", "created_at", "delivery_id"),
    Index("deliveries_settled", "updated_at"),
)

attempts = Table(
    "attempts",
    metadata,
    Column("delivery_id", ForeignKey("deliveries.delivery_id", ondelete="CASCADE"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("started_at", UtcDateTime, nullable=False),
    Column("duration_ms", Integer, nullable=False),
    Column("status_code", Integer),
    Column("error", Text),
)


async def lock_matching(connection: AsyncConnection, *, exclusive: bool) -> None:
    """Locks until the transaction ends: shared for adding events, exclusive for changing webhooks and for deleting rows.

    So an event and a webhook that are written at the same time see each other. SQLite has one writer at a time anyway.
    """
    if connection.dialect.name == "postgresql":
        name = "pg_advisory_xact_lock" if exclusive else "pg_advisory_xact_lock_shared"
        await connection.execute(text(f"SELECT {name}(:key)"), {"key": _MATCHING_LOCK})
