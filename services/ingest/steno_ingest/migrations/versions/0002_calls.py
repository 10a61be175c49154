"""The ledger of live calls: calls, their entries, events, phrases and passes."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_MOMENT = sa.DateTime(timezone=True)
_ID = sa.String(256)
_STATE = sa.String(16)
_SEQUENCE = sa.BigInteger().with_variant(sa.Integer, "sqlite")
_ENDED = sa.text("to_state IN ('completed', 'no_speech', 'failed')")
_OPEN = sa.text("ended_at IS NULL")


def upgrade() -> None:
    _create_calls()
    _create_entries()
    op.create_table(
        "call_events",
        sa.Column("call_id", _ID, nullable=False),
        sa.Column("kind", sa.String(64), nullable=False),
        sa.Column("position_ms", sa.BigInteger, nullable=False),
        sa.Column("duration_ms", sa.BigInteger, nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
        sa.Column("at", _MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("call_id", "kind", "position_ms", name="pk_call_events"),
    )
    op.create_table(
        "call_phrases",
        sa.Column("phrase_id", _ID, nullable=False),
        sa.Column("call_id", _ID, nullable=False),
        sa.Column("sequence", sa.BigInteger, nullable=False),
        sa.Column("channel", sa.BigInteger, nullable=False),
        sa.Column("start_ms", sa.BigInteger, nullable=False),
        sa.Column("revision", sa.BigInteger, nullable=False),
        sa.Column("content", sa.JSON, nullable=False),
        sa.PrimaryKeyConstraint("phrase_id", name="pk_call_phrases"),
    )
    op.create_index("ix_call_phrases_call", "call_phrases", ["call_id", "start_ms", "channel"])
    _create_passes()


def _create_calls() -> None:
    op.create_table(
        "calls",
        sa.Column("call_id", _ID, nullable=False),
        sa.Column("state", _STATE, nullable=False),
        sa.Column("door", sa.String(16), nullable=False),
        sa.Column("instance", sa.Text, nullable=False),
        sa.Column("fingerprint", sa.String(64), nullable=False),
        sa.Column("codec", sa.String(16), nullable=False),
        sa.Column("sample_rate", sa.Integer, nullable=False),
        sa.Column("channels", sa.JSON, nullable=False),
        sa.Column("locale", sa.Text, nullable=False),
        sa.Column("protocol", sa.Text, nullable=False),
        sa.Column("properties", sa.JSON, nullable=False),
        sa.Column("paused", sa.Boolean, nullable=False),
        sa.Column("pause_requested_by", sa.Text, nullable=False),
        sa.Column("pause_reason", sa.Text, nullable=False),
        sa.Column("end_requested_by", sa.Text, nullable=False),
        sa.Column("roles_revision", sa.Integer, nullable=False),
        sa.Column("roles_corrected_at", _MOMENT),
        sa.Column("heard_position", sa.BigInteger, nullable=False),
        sa.Column("heard_at", _MOMENT),
        sa.Column("end_position", sa.BigInteger),
        sa.Column("complete", sa.Boolean, nullable=False),
        sa.Column("end_reason", sa.Text, nullable=False),
        sa.Column("end_error", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("error", sa.Text, nullable=False),
        sa.Column("current_recording_id", _ID, nullable=False),
        sa.Column("accepted_at", _MOMENT, nullable=False),
        sa.Column("started_at", _MOMENT, nullable=False),
        sa.Column("ended_at", _MOMENT),
        sa.Column("updated_at", _MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("call_id", name="pk_calls"),
    )
    op.create_index("ix_calls_page", "calls", ["accepted_at", "call_id"])
    op.create_index("ix_calls_state_page", "calls", ["state", "accepted_at", "call_id"])
    op.create_index("ix_calls_open", "calls", ["instance"], sqlite_where=_OPEN, postgresql_where=_OPEN)


def _create_entries() -> None:
    op.create_table(
        "call_entries",
        sa.Column("id", _SEQUENCE, autoincrement=True, nullable=False),
        sa.Column("call_id", _ID, nullable=False),
        sa.Column("from_state", _STATE),
        sa.Column("to_state", _STATE, nullable=False),
        sa.Column("at", _MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_call_entries"),
        sa.ForeignKeyConstraint(["call_id"], ["calls.call_id"], name="fk_call_entries_call_id"),
    )
    op.create_index("uq_call_entries_call_state", "call_entries", ["call_id", "to_state"], unique=True)
    op.create_index(
        "uq_call_entries_call_end", "call_entries", ["call_id"], unique=True, sqlite_where=_ENDED, postgresql_where=_ENDED
    )
    op.create_index("ix_call_entries_states", "call_entries", ["from_state", "to_state"])


def _create_passes() -> None:
    op.create_table(
        "call_passes",
        sa.Column("recording_id", _ID, nullable=False),
        sa.Column("call_id", _ID, nullable=False),
        sa.Column("supersedes", _ID, nullable=False),
        sa.Column("state", _STATE, nullable=False),
        sa.Column("at", _MOMENT, nullable=False),
        sa.Column("result_url", sa.Text, nullable=False),
        sa.Column("phrase_count", sa.BigInteger, nullable=False),
        sa.Column("duration_ms", sa.BigInteger, nullable=False),
        sa.Column("engine", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("error", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("recording_id", name="pk_call_passes"),
    )
    op.create_index("ix_call_passes_call_id", "call_passes", ["call_id"])
