"""Adds the tenants of recordings, calls and webhooks. Earlier rows have none."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for table in ("recordings", "calls", "webhooks"):
        op.add_column(table, sa.Column("tenant", sa.String(64), nullable=False, server_default=""))
    op.create_index("ix_recordings_tenant_page", "recordings", ["tenant", "accepted_at", "recording_id"])
    op.create_index("ix_calls_tenant_page", "calls", ["tenant", "accepted_at", "call_id"])
