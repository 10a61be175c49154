"""Adds the damaged and missing lengths of recordings."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("recordings", sa.Column("damaged_ms", sa.BigInteger))
    op.add_column("recordings", sa.Column("missing_ms", sa.BigInteger))
