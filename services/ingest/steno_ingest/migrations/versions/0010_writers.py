"""Who writes the records of a call (empty for those of before, whose records name nobody), and whose a pass over it is."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("calls", sa.Column("writer", sa.String(64), nullable=False, server_default=""))
    op.add_column("call_passes", sa.Column("tenant", sa.String(64)))
