"""The secret of a webhook before its rotation, and until when it signs too."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("webhooks", sa.Column("previous_encrypted_secret", sa.LargeBinary, nullable=False, server_default=""))
    op.add_column("webhooks", sa.Column("previous_expires_at", sa.DateTime(timezone=True)))
