"""Renames one-legged audio to one-way audio in the events of calls."""

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("UPDATE call_events SET kind = 'one_way_audio' WHERE kind = 'one_legged'")
