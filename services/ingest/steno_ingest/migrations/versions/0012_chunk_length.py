"""How long the chunks of a call are, so that it is cut alike wherever it goes on (0 for those of before: as is set)."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("calls", sa.Column("chunk_ms", sa.Integer, nullable=False, server_default="0"))
