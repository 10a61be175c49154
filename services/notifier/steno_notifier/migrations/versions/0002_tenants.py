"""Whose webhooks, events and deliveries are. What was there before belongs to no tenant."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for table in ("webhooks", "events", "deliveries"):
        op.add_column(table, sa.Column("tenant", sa.String(64), nullable=False, server_default=""))
    op.create_index("deliveries_tenant", "deliveries", ["tenant", "created_at", "delivery_id"])
