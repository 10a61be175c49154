"""Adds totals, so that reading the ledger does not take longer the more it holds, and an index of calls by door."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

_UNCOUNTED = sa.text("counted IS NOT TRUE")


def upgrade() -> None:
    op.create_table(
        "totals",
        sa.Column("ledger", sa.String(16), nullable=False),
        sa.Column("tenant", sa.String(64), nullable=False),
        sa.Column("from_state", sa.String(16), nullable=False),
        sa.Column("to_state", sa.String(16), nullable=False),
        sa.Column("count", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("ledger", "tenant", "from_state", "to_state", name="pk_totals"),
    )
    for table, columns in (("recordings", ["state", "tenant", "recording_id"]), ("calls", ["state", "tenant", "call_id"])):
        # What an earlier version inserts beside this one is not counted yet either.
        op.add_column(table, sa.Column("counted", sa.Boolean, nullable=False, server_default=sa.false()))
        op.create_index(f"ix_{table}_uncounted", table, columns, sqlite_where=_UNCOUNTED, postgresql_where=_UNCOUNTED)
    op.create_index("ix_calls_door_page", "calls", ["door", "accepted_at", "call_id"])
