"""Adds the file names of recordings."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("recordings", sa.Column("file_name", sa.String(255), nullable=False, server_default=""))
