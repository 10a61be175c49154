"""Deliveries by REST: listed, looked at, replayed."""

import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from steno_notifier.api import create_app
from steno_notifier.caption_streams import CaptionStreams
from steno_notifier.delivery_queries import DeliveryQueries
from steno_notifier.delivery_queue import DeliveryQueue
from steno_notifier.delivery_state import Answer, settle
from steno_notifier.matching import WebhookMatcher
from steno_notifier.openapi import document
from steno_notifier.outgoing_event import make_outgoing_event
from steno_notifier.schedule import RetrySchedule
from support.edge_values import Walk
from support.webhooks import completed, webhook

from steno.crypto import SecretBox
from steno.http.auth import ApiKeys, key_line, make_key

Clock = Any
KEY = make_key()


@pytest.fixture
async def client(
    engine: AsyncEngine, clock: Clock, no_captions: CaptionStreams, tmp_path: Path
) -> AsyncIterator[httpx.AsyncClient]:
    keys = tmp_path / "keys"
    keys.write_text(key_line("test", KEY, tenant="*"), "utf-8")
    app = create_app(DeliveryQueries(engine, now=clock, wake=lambda: None), no_captions, ApiKeys(keys))
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://notifier", headers={"X-Api-Key": KEY}) as client:
        yield client


@pytest.fixture
async def failed(engine: AsyncEngine, clock: Clock, box: SecretBox) -> str:
    """The id of a delivery of five, the one that has failed."""
    matcher = WebhookMatcher(engine, retention=timedelta(days=30), now=clock, wake=lambda: None)
    await matcher.put_webhook(webhook("w", "http://a/", box))
    for number in range(5):
        event = make_outgoing_event(completed(number, at=clock()), clock())
        assert event is not None
        await matcher.add_event(event, traceparent=None)
        clock.pass_by(seconds=1)
    queue = DeliveryQueue(engine, instance="0", lease=timedelta(seconds=30))
    (claim,) = await queue.claim(now=clock(), free=1, busy={}, per_webhook=1)
    answer = Answer(started_at=clock(), duration_ms=12, status_code=500, error="answered 500")
    settlement = settle(answer, tries=1, now=clock(), schedule=RetrySchedule(delays=[]), chance=0)
    assert await queue.settle(claim, answer, settlement, now=clock())
    return claim.delivery_id


def assert_problem(answer: httpx.Response, status: int) -> str:
    """The answer says in problem+json what is wrong; returns the detail."""
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["status"] == status
    return str(problem["detail"])


@pytest.mark.parametrize("headers", [{}, {"X-Api-Key": "steno_wrong"}, {"Authorization": "Bearer steno_wrong"}])
@pytest.mark.parametrize("path", ["/v1/deliveries", "/v1/deliveries/x", "/v1/webhooks/w/health", "/v1/calls/c/captions"])
async def test_no_key_no_answer(client: httpx.AsyncClient, path: str, headers: dict[str, str]) -> None:
    """Without a valid key every route answers 401 and says how to bring one."""
    del client.headers["X-Api-Key"]
    assert "API key" in assert_problem(await client.get(path, headers=headers), 401)


async def test_deliveries_are_listed_by_pages_and_filters(client: httpx.AsyncClient, failed: str) -> None:
    """Pages make up the list, newest first; a filter leaves only what it names."""
    seen, cursor = [], None
    while True:
        parameters = {"limit": "2"} | ({"cursor": cursor} if cursor else {})
        page = (await client.get("/v1/deliveries", params=parameters)).json()
        seen += [entry["call_id"] for entry in page["items"]]
        if (cursor := page["next"]) is None:
            break
    assert seen == [f"call-{number}" for number in (4, 3, 2, 1, 0)]
    for wanted, count in (
        ({"state": "failed"}, 1),
        ({"state": "pending"}, 4),
        ({"call_id": "call-3"}, 1),
        ({"recording_id": "recording-2"}, 1),
        ({"webhook_id": "other"}, 0),
    ):
        listed = (await client.get("/v1/deliveries", params=wanted)).json()["items"]
        assert len(listed) == count, wanted


async def test_a_delivery_shows_its_attempts(client: httpx.AsyncClient, failed: str, clock: Clock) -> None:
    """When, how long, what was answered, and why it failed."""
    detail = (await client.get(f"/v1/deliveries/{failed}")).json()
    assert (detail["state"], detail["attempts"], detail["event_type"]) == ("failed", 1, "transcript.completed")
    (attempt,) = detail["attempt_log"]
    assert (attempt["number"], attempt["duration_ms"], attempt["status_code"], attempt["error"]) == (1, 12, 500, "answered 500")


async def test_a_replay_makes_it_due(client: httpx.AsyncClient, failed: str) -> None:
    """What failed is pending again; what is pending cannot be replayed."""
    answer = await client.post(f"/v1/deliveries/{failed}/replay")
    assert (answer.status_code, answer.json()["state"]) == (202, "pending")
    assert "pending" in assert_problem(await client.post(f"/v1/deliveries/{failed}/replay"), 409)


async def test_a_webhook_shows_how_it_fares(client: httpx.AsyncClient, failed: str) -> None:
    """Whether it takes deliveries, and how many are in each state."""
    health = (await client.get("/v1/webhooks/w/health")).json()
    assert (health["enabled"], health["disabled_at"]) == (True, None)
    assert health["deliveries"] == {"pending": 4, "delivering": 0, "delivered": 0, "failed": 1, "cancelled": 0}


@pytest.mark.parametrize("path", ["/v1/deliveries/none", "/v1/webhooks/none/health", "/v1/none"])
async def test_what_is_not_there_is_404(client: httpx.AsyncClient, path: str) -> None:
    """As a problem, like every error."""
    assert_problem(await client.get(path), 404)


@pytest.mark.parametrize(
    "parameters", [{"cursor": "x" * 1025}, {"limit": "0"}, {"limit": "many"}, {"state": "lost"}, {"call_id": "a\0b"}]
)
async def test_bad_parameters_are_422(client: httpx.AsyncClient, parameters: dict[str, str]) -> None:
    """The detail names what is wrong."""
    assert next(iter(parameters)) in assert_problem(await client.get("/v1/deliveries", params=parameters), 422)


@pytest.mark.parametrize("cursor", ["bm9uc2Vuc2U", "ü", "", "WzEsMl0"])
async def test_a_cursor_that_no_list_gave_out_is_404(client: httpx.AsyncClient, cursor: str) -> None:
    """There is no such page, and the detail says where cursors come from."""
    assert "`next`" in assert_problem(await client.get("/v1/deliveries", params={"cursor": cursor}), 404)


async def test_the_openapi_document_is_the_served_one(client: httpx.AsyncClient) -> None:
    """What the command prints is what the service says of itself."""
    assert json.loads(document()) == (await client.get("/openapi.json")).json()


async def test_captions_before_kafka_is_there(client: httpx.AsyncClient) -> None:
    """While nothing can be followed the answer is to try again; a cursor that is none is refused, and that of an end ends."""
    path = "/v1/calls/call-1/captions"
    assert "is unreachable" in assert_problem(await client.get(path), 503)
    assert "the id of the last event" in assert_problem(await client.get(path, params={"cursor": "x"}), 404)
    assert "the id of the last event" in assert_problem(await client.get(path, headers={"Last-Event-ID": "x"}), 404)
    assert (await client.get(path, headers={"Last-Event-ID": "1-2-3-4-end"})).status_code == 204


async def test_no_value_of_any_field_is_an_error_of_the_server(client: httpx.AsyncClient, failed: str) -> None:
    """Every parameter of every route but the captions' own: answered by 2xx or 4xx, never by 5xx."""
    app = client._transport.app  # type: ignore[attr-defined]
    endless = tuple(path for path in app.openapi()["paths"] if "captions" in path)
    walk = Walk(app, client, {"delivery_id": failed, "webhook_id": "w"}, endless=endless)
    faults = await walk.faults()
    assert not faults, "\n".join(faults)
    assert walk.requests > 300
