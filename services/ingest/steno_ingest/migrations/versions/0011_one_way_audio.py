"""Renames one-legged audio to one-way audio, in the events of calls and in the accounts of calls that are open."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_ACCOUNTS = sa.table("call_accounts", sa.column("call_id", sa.String), sa.column("account", sa.JSON))
_NAMES = {"one_legged_seconds": "one_way_seconds", "legs": "silences", "said": "update_count"}


def upgrade() -> None:
    op.execute("UPDATE call_events SET kind = 'one_way_audio' WHERE kind = 'one_legged'")
    connection = op.get_bind()
    for call_id, account in connection.execute(sa.select(_ACCOUNTS)).all():
        renamed = {_NAMES.get(name, name): value for name, value in account.items()}
        renamed["silences"] = [
            {"silent_from": leg.get("quiet_from", 0), "others_heard": leg.get("others_heard", 0)}
            for leg in renamed.get("silences", ())
        ]
        connection.execute(_ACCOUNTS.update().where(_ACCOUNTS.c.call_id == call_id).values(account=renamed))
