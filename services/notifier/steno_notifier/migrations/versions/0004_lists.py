"""Adds the indexes by which deliveries of a state and of a webhook are listed and counted."""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("deliveries_state", "deliveries", ["state", "created_at", "delivery_id"])
    op.create_index("deliveries_webhook", "deliveries", ["webhook_id", "state", "created_at", "delivery_id"])
