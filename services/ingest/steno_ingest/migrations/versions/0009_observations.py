"""Adds the observations of passes, such as tones and music."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("call_passes", sa.Column("observations", sa.JSON, nullable=False, server_default="[]"))
