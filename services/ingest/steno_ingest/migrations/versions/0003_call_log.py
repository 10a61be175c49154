"""Adds the accounts of the call log, and the recordings of calls."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_UNFINISHED = sa.text("finished_at IS NULL")


def upgrade() -> None:
    op.create_table(
        "call_accounts",
        sa.Column("call_id", sa.String(256), nullable=False),
        sa.Column("partition", sa.Integer, nullable=False),
        sa.Column("next_offset", sa.BigInteger, nullable=False),
        sa.Column("is_foreign", sa.Boolean, nullable=False),
        sa.Column("ended", sa.Boolean, nullable=False),
        sa.Column("account", sa.JSON, nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("call_id", name="pk_call_accounts"),
    )
    op.create_index(
        "ix_call_accounts_unfinished",
        "call_accounts",
        ["partition"],
        sqlite_where=_UNFINISHED,
        postgresql_where=_UNFINISHED,
    )
    op.add_column("calls", sa.Column("audio_recording_id", sa.String(256), nullable=False, server_default=""))
    op.add_column("calls", sa.Column("audio_url", sa.Text, nullable=False, server_default=""))
