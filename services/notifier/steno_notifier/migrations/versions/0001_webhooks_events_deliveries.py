"""Webhooks, events, deliveries and their attempts."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "webhooks",
        sa.Column("webhook_id", sa.String(256), primary_key=True),
        sa.Column("url", sa.Text, nullable=False),
        sa.Column("events", sa.JSON, nullable=False),
        sa.Column("encrypted_secret", sa.LargeBinary, nullable=False),
        sa.Column("enabled", sa.Boolean, nullable=False),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.Column("updated_at", _MOMENT, nullable=False),
        sa.Column("disabled_at", _MOMENT),
        sa.Column("disabled_reason", sa.Text),
        sa.Column("paused_until", _MOMENT),
    )
    op.create_table(
        "events",
        sa.Column("event_id", sa.String(36), primary_key=True),
        sa.Column("type", sa.String(64), nullable=False),
        sa.Column("call_id", sa.String(256), nullable=False),
        sa.Column("recording_id", sa.String(256), nullable=False),
        sa.Column("occurred_at", _MOMENT, nullable=False),
        sa.Column("received_at", _MOMENT, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("traceparent", sa.String(64)),
    )
    op.create_index("events_call_id", "events", ["call_id"])
    op.create_index("events_recording_id", "events", ["recording_id"])
    op.create_index("events_occurred_at", "events", ["occurred_at"])
    op.create_index("events_received_at", "events", ["received_at"])
    op.create_table(
        "deliveries",
        sa.Column("delivery_id", sa.String(36), primary_key=True),
        sa.Column("event_id", sa.String(36), sa.ForeignKey("events.event_id"), nullable=False),
        sa.Column("webhook_id", sa.String(256), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("due_at", _MOMENT),
        sa.Column("lease", sa.String(32)),
        sa.Column("leased_by", sa.String(256)),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("tries", sa.Integer, nullable=False),
        sa.Column("reason", sa.Text),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.Column("updated_at", _MOMENT, nullable=False),
        sa.UniqueConstraint("event_id", "webhook_id"),
    )
    op.create_index("deliveries_due", "deliveries", ["webhook_id", "due_at"])
    op.create_index("deliveries_created", "deliveries", ["created_at", "delivery_id"])
    op.create_index("deliveries_settled", "deliveries", ["updated_at"])
    op.create_table(
        "attempts",
        sa.Column("delivery_id", sa.String(36), sa.ForeignKey("deliveries.delivery_id", ondelete="CASCADE"), primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("started_at", _MOMENT, nullable=False),
        sa.Column("duration_ms", sa.Integer, nullable=False),
        sa.Column("status_code", sa.Integer),
        sa.Column("error", sa.Text),
    )


def downgrade() -> None:
    for table in ("attempts", "deliveries", "events", "webhooks"):
        op.drop_table(table)
