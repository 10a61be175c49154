"""Adds what a call asks of the engine, so that its start is the same if it is written again."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("calls", sa.Column("recognition", sa.JSON, nullable=False, server_default="{}"))
