"""Adds the writers of calls (empty in earlier rows), and the tenants of passes."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("calls", sa.Column("writer", sa.String(64), nullable=False, server_default=""))
    op.add_column("call_passes", sa.Column("tenant", sa.String(64)))
