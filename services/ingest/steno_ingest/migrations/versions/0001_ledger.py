"""The ledger, its outbox, idempotency keys and webhooks."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_MOMENT = sa.DateTime(timezone=True)
_ID = sa.String(256)
_SEQUENCE = sa.BigInteger().with_variant(sa.Integer, "sqlite")
_ENDED = sa.text("to_state IN ('completed', 'no_speech', 'failed', 'cancelled')")
_UNPUBLISHED = sa.text("published_at IS NULL")


def upgrade() -> None:
    _create_recordings()
    _create_entries()
    _create_outbox()
    op.create_table(
        "idempotency_keys",
        sa.Column("client", sa.String(256), nullable=False),
        sa.Column("key", sa.String(256), nullable=False),
        sa.Column("fingerprint", sa.String(64), nullable=False),
        sa.Column("recording_id", _ID, nullable=False),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("client", "key", name="pk_idempotency_keys"),
    )
    op.create_table(
        "webhooks",
        sa.Column("webhook_id", _ID, nullable=False),
        sa.Column("url", sa.Text, nullable=False),
        sa.Column("events", sa.JSON, nullable=False),
        sa.Column("encrypted_secret", sa.LargeBinary, nullable=False),
        sa.Column("enabled", sa.Boolean, nullable=False),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.Column("updated_at", _MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("webhook_id", name="pk_webhooks"),
    )
    op.create_index("ix_webhooks_page", "webhooks", ["created_at", "webhook_id"])


def _create_recordings() -> None:
    op.create_table(
        "recordings",
        sa.Column("recording_id", _ID, nullable=False),
        sa.Column("call_id", _ID, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("door", sa.String(16), nullable=False),
        sa.Column("url", sa.Text, nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("channels", sa.JSON, nullable=False),
        sa.Column("locale", sa.Text, nullable=False),
        sa.Column("properties", sa.JSON, nullable=False),
        sa.Column("accepted_at", _MOMENT, nullable=False),
        sa.Column("published_at", _MOMENT),
        sa.Column("started_at", _MOMENT),
        sa.Column("ended_at", _MOMENT),
        sa.Column("reason", sa.Text),
        sa.Column("error", sa.Text),
        sa.Column("result_url", sa.Text),
        sa.Column("phrase_count", sa.Integer),
        sa.Column("duration_ms", sa.BigInteger),
        sa.PrimaryKeyConstraint("recording_id", name="pk_recordings"),
    )
    op.create_index("ix_recordings_call_id", "recordings", ["call_id"])
    op.create_index("ix_recordings_page", "recordings", ["accepted_at", "recording_id"])
    op.create_index("ix_recordings_state_page", "recordings", ["state", "accepted_at", "recording_id"])
    op.create_index(
        "ix_recordings_unpublished",
        "recordings",
        ["recording_id"],
        sqlite_where=_UNPUBLISHED,
        postgresql_where=_UNPUBLISHED,
    )


def _create_entries() -> None:
    op.create_table(
        "entries",
        sa.Column("id", _SEQUENCE, autoincrement=True, nullable=False),
        sa.Column("recording_id", _ID, nullable=False),
        sa.Column("from_state", sa.String(16)),
        sa.Column("to_state", sa.String(16), nullable=False),
        sa.Column("at", _MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_entries"),
        sa.ForeignKeyConstraint(["recording_id"], ["recordings.recording_id"], name="fk_entries_recording_id"),
    )
    op.create_index("uq_entries_recording_state", "entries", ["recording_id", "to_state"], unique=True)
    op.create_index(
        "uq_entries_recording_end",
        "entries",
        ["recording_id"],
        unique=True,
        sqlite_where=_ENDED,
        postgresql_where=_ENDED,
    )
    op.create_index("ix_entries_states", "entries", ["from_state", "to_state"])


def _create_outbox() -> None:
    op.create_table(
        "outbox",
        sa.Column("id", _SEQUENCE, autoincrement=True, nullable=False),
        sa.Column("topic", sa.String(64), nullable=False),
        sa.Column("key", _ID, nullable=False),
        sa.Column("value", sa.LargeBinary),
        sa.Column("headers", sa.JSON, nullable=False),
        sa.Column("recording_id", _ID),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_outbox"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_outbox_recording_id", "outbox", ["recording_id"])
