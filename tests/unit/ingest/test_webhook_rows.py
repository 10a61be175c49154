"""How rows of webhooks are changed."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import Select, event
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncEngine
from steno_ingest.outbox import Outbox
from steno_ingest.tables import metadata
from steno_ingest.webhooks import NewWebhook, Webhooks, make_secret
from support.ingest import CODEC

from steno.crypto import SecretBox, make_secret_key
from steno.kafka.producer import Producer
from steno.settings import KafkaSettings, TopicSettings
from steno.storage import database
from steno.tenants import Caller

ACME = Caller("crm", "acme")
NOBODY = KafkaSettings(bootstrap_servers="127.0.0.1:1")


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[AsyncEngine]:
    """An empty ledger."""
    engine = database.connect(f"sqlite:///{tmp_path / 'ledger.db'}")
    async with engine.begin() as connection:
        await connection.run_sync(metadata.create_all)
    yield engine
    await engine.dispose()


async def test_a_rotation_locks_its_row(engine: AsyncEngine) -> None:
    """Of two rotations at once the second waits for the first, and keeps its secret as the one before.

    SQLite has one writer anyway, so this looks at what PostgreSQL is asked: the row is read for update before it is changed.
    """
    outbox = Outbox(Producer(NOBODY, TopicSettings(), CODEC, source="ingest"))
    webhooks = Webhooks(engine, outbox, SecretBox(SecretStr(make_secret_key())))
    new = NewWebhook(url="https://a.example/", events=(), secret=make_secret(), enabled=True)
    webhook_id = (await webhooks.register(new, caller=ACME)).webhook_id
    asked: list[str] = []

    def note(_connection: Any, statement: Any, *_: Any) -> None:
        kind = "select" if isinstance(statement, Select) else "change"
        locks = str(statement.compile(dialect=postgresql.dialect())).endswith("FOR UPDATE")  # type: ignore[no-untyped-call]
        asked.append(f"{kind} for update" if locks else kind)

    event.listen(engine.sync_engine, "before_execute", note)
    await webhooks.rotate(webhook_id, make_secret(), overlap=timedelta(hours=1), caller=ACME)
    assert asked[:2] == ["select for update", "change"]
