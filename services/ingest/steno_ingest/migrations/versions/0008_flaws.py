"""How much of a recording was damaged, and how much its file had no audio for."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("recordings", sa.Column("damaged_ms", sa.BigInteger))
    op.add_column("recordings", sa.Column("missing_ms", sa.BigInteger))
