"""Adds the chunk lengths of calls (0 in earlier rows: that of the settings)."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("calls", sa.Column("chunk_ms", sa.Integer, nullable=False, server_default="0"))
