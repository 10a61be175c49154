"""Adds the previous secret of a webhook, and its expiry."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("webhooks", sa.Column("previous_encrypted_secret", sa.LargeBinary))
    op.add_column("webhooks", sa.Column("previous_expires_at", sa.DateTime(timezone=True)))
