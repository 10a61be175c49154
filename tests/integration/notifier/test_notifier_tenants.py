"""What one tenant's webhooks are told is not there for another: every route, by the API's own document."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine
from steno_notifier.api import create_app
from steno_notifier.caption_streams import CaptionStream, CaptionStreams, NoSuchCall
from steno_notifier.captions import Cursor
from steno_notifier.delivery_queries import DeliveryQueries
from steno_notifier.matching import WebhookMatcher
from steno_notifier.outgoing_event import make_outgoing_event
from steno_notifier.tables import deliveries, metadata
from support.route_walk import operations, undocumented
from support.webhooks import completed, webhook

from steno.crypto import SecretBox
from steno.http.auth import ApiKeys, key_line
from steno.storage.transactions import transaction
from steno.tenants import Caller

BODIES: dict[str, Any] = {"post /v1/deliveries/{delivery_id}/replay": None}


class Captions(CaptionStreams):
    """Those of one call of acme's, that is over for a reader who may have them."""

    async def open(self, call_id: str, cursor: Cursor | None, caller: Caller) -> CaptionStream:
        if call_id != "call-1" or not caller.sees("acme"):
            raise NoSuchCall(call_id)
        raise NotImplementedError


@pytest.fixture
async def clients(
    engine: AsyncEngine, tmp_path: Path, clock: Any, no_captions: CaptionStreams
) -> AsyncIterator[dict[str, httpx.AsyncClient]]:
    """A client for each key, on one application."""
    lines = [key_line("acme", "1"), key_line("other", "2"), key_line("operator", "3", tenant="*")]
    (tmp_path / "keys").write_text("".join(lines), "utf-8")
    no_captions.__class__ = Captions
    app = create_app(DeliveryQueries(engine, now=clock, wake=lambda: None), no_captions, ApiKeys(tmp_path / "keys"))
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    made = {
        name: httpx.AsyncClient(transport=transport, base_url="http://notifier", headers={"X-Api-Key": key})
        for name, key in (("acme", "1"), ("other", "2"), ("operator", "3"))
    }
    yield made
    for client in made.values():
        await client.aclose()


@pytest.fixture
async def theirs(engine: AsyncEngine, clock: Any, box: SecretBox) -> dict[str, str]:
    """A delivered event of acme's webhook, whose call has captions."""
    matcher = WebhookMatcher(engine, retention=timedelta(days=30), now=clock, wake=lambda: None)
    await matcher.put_webhook(webhook("hook-of-acme", "http://a/", box).model_copy(update={"tenant": "acme"}))
    event = make_outgoing_event(completed(1, at=clock()), clock())
    assert event is not None
    await matcher.add_event(replace(event, tenant="acme"), traceparent=None)
    async with transaction(engine) as connection:
        await connection.execute(deliveries.update().values(state="delivered", due_at=None))
        delivery_id = (await connection.execute(select(deliveries.c.delivery_id))).scalar_one()
    return {"delivery_id": delivery_id, "webhook_id": "hook-of-acme", "call_id": "call-1"}


async def everything(engine: AsyncEngine) -> list[Any]:
    """All rows."""
    async with engine.connect() as connection:
        return [list(await connection.execute(select(table))) for table in metadata.sorted_tables]


async def test_every_route_says_of_somebody_elses_what_it_says_of_nothing(
    engine: AsyncEngine, clients: dict[str, httpx.AsyncClient], theirs: dict[str, str]
) -> None:
    """The same 404, word by word, and nothing changes; whose it is finds it by the same request, and so do operators."""
    transport = clients["acme"]._transport
    assert isinstance(transport, httpx.ASGITransport)
    app: Any = transport.app
    assert undocumented(app) == set()
    about = [operation for operation in operations(app) if operation.has_id]
    before = await everything(engine)
    unknown = dict.fromkeys(theirs, "unknown")
    for operation in about:
        answer = await operation.ask(clients["other"], theirs, BODIES)
        nothing = await operation.ask(clients["other"], unknown, BODIES)
        assert answer.status_code == 404, operation
        said = answer.text
        for value in theirs.values():
            said = said.replace(value, "unknown")
        assert said == nothing.text, operation
    assert await everything(engine) == before
    for name in ("acme", "operator"):
        for operation in about:
            assert (await operation.ask(clients[name], theirs, BODIES)).status_code != 404, operation


async def test_deliveries_are_listed_to_whose_they_are(clients: dict[str, httpx.AsyncClient], theirs: dict[str, str]) -> None:
    """And to operators; to others there are none, whatever is filtered for."""
    for query in ("", "?webhook_id=hook-of-acme", "?call_id=call-1", "?state=delivered"):
        listed = {name: (await client.get(f"/v1/deliveries{query}")).json()["items"] for name, client in clients.items()}
        assert {name: len(found) for name, found in listed.items()} == {"acme": 1, "other": 0, "operator": 1}


async def test_the_deliveries_of_a_deleted_webhook_stay_its_tenants(
    engine: AsyncEngine, clock: Any, clients: dict[str, httpx.AsyncClient], theirs: dict[str, str]
) -> None:
    """They are shown without the webhook being there."""
    await WebhookMatcher(engine, retention=timedelta(days=30), now=clock, wake=lambda: None).delete_webhook("hook-of-acme")
    path = f"/v1/deliveries/{theirs['delivery_id']}"
    assert [(await clients[name].get(path)).status_code for name in ("acme", "other")] == [200, 404]
