"""Rows of an earlier version after the migrations."""

import json
from importlib.resources import files
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, create_engine, text
from steno_ingest.calls.log.account.account import Account
from steno_ingest.calls.log.account.one_way_audio import ChannelSilence

ACCOUNT = {
    "call_id": "c", "sample_rate": 8000, "channel_count": 2, "one_legged_seconds": 30, "masks": [], "noted": 0,
    "position": 800, "sequence": 0, "missing": 0, "elapsed_ms": 100, "written_at": None, "paused_from": None, "resumed_at": 0,
    "ended": False, "codec": "PCMU", "writer": "", "locale": "en-US", "several_languages": False, "said": 3, "faults": [],
    "unusable": 0, "failure": None, "legs": [{"quiet_from": 0, "others_heard": 800}, {"quiet_from": 800, "others_heard": 0}],
}  # fmt: skip


def upgrade(connection: Connection, revision: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(files("steno_ingest") / "migrations"))
    config.attributes["connection"] = connection
    command.upgrade(config, revision)


def test_an_account_of_an_earlier_version_is_continued_and_one_of_now_is_continued_by_it(tmp_path: Path) -> None:
    """One-legged audio of before is one-way audio in the events of calls; accounts keep the names that both versions read."""
    engine = create_engine(f"sqlite:///{tmp_path / 'rows.db'}")
    with engine.begin() as connection:
        upgrade(connection, "0010")
        connection.execute(
            text("INSERT INTO call_accounts VALUES ('c', 0, 5, 1, 0, :account, NULL)"), {"account": json.dumps(ACCOUNT)}
        )
        connection.execute(text("INSERT INTO call_events VALUES ('c', 'one_legged', 0, 30000, 'channel 1', '2026-03-01')"))
        upgrade(connection, "0011")
        account = Account.from_json(json.loads(connection.execute(text("SELECT account FROM call_accounts")).scalar_one()))
        kinds = connection.execute(text("SELECT kind FROM call_events")).scalars().all()
    assert kinds == ["one_way_audio"]
    assert (account.one_way_seconds, account.update_count, account.position) == (30, 3, 800)
    assert account.one_way_audio.silences == [
        ChannelSilence(silent_from=0, others_heard=800),
        ChannelSilence(silent_from=800, others_heard=0),
    ]
    assert ACCOUNT.items() <= account.to_json().items()
