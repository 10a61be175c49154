"""Adds whether the peer of a call pauses it, and who requested to resume a call that only its peer pauses."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("calls", sa.Column("paused_by_peer", sa.Boolean, nullable=False, server_default=sa.false()))
    op.add_column("calls", sa.Column("resume_asked_by", sa.Text, nullable=False, server_default=""))
