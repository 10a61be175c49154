"""Deliveries reach their receivers, signed, and failures are tried again."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from pydantic import SecretStr
from sqlalchemy.ext.asyncio import AsyncEngine
from steno_notifier.delivery_queries import DeliveryQueries, Filter
from steno_notifier.delivery_queue import DeliveryQueue
from steno_notifier.delivery_state import State
from steno_notifier.http_transport import HttpTransport
from steno_notifier.matching import WebhookMatcher
from steno_notifier.outgoing_event import make_outgoing_event
from steno_notifier.schedule import RetrySchedule
from steno_notifier.sender import Sender
from support.callers import OPERATOR
from support.webhooks import completed, receiving, status, webhook

from steno.crypto import SecretBox, make_secret_key
from steno.http.client import guarded_session, parse_networks

TRACEPARENT = f"00-{'a' * 32}-{'b' * 16}-01"


def now() -> datetime:
    return datetime.now(UTC)


@pytest.fixture(params=["sqlite"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """SQLite, where the test asks for nothing else: what receivers do does not depend on it."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/notifier.db"
    url: str = request.getfixturevalue("notifier_postgres_url")
    return url


class Notifier:
    """What is between Kafka and the receivers, running on a real database with short pauses between attempts."""

    def __init__(self, engine: AsyncEngine, session: aiohttp.ClientSession, box: SecretBox, *, instance: str) -> None:
        queue = DeliveryQueue(engine, instance=instance, lease=timedelta(seconds=30))
        schedule = RetrySchedule(delays=[timedelta(milliseconds=50)] * 3)
        transport = HttpTransport(session, box, now=now)
        self.sender = Sender(queue, transport, schedule, concurrency=50, per_webhook=10, drain_seconds=0.2, now=now)
        self.matcher = WebhookMatcher(engine, retention=timedelta(days=30), now=now, wake=self.sender.wake)
        self.deliveries = DeliveryQueries(engine, now=now, wake=self.sender.wake)
        self.box = box

    async def register(self, webhook_id: str, url: str) -> None:
        await self.matcher.put_webhook(webhook(webhook_id, url, self.box))

    async def tell(self, number: int = 1) -> str:
        """An event comes in; returns its id."""
        event = make_outgoing_event(completed(number), datetime.now(UTC))
        assert event is not None
        await self.matcher.add_event(event, traceparent=TRACEPARENT)
        return event.event_id

    async def ends(self, webhook_id: str, *, seconds: float = 20) -> tuple[Any, list[Any]]:
        """Waits until the first delivery to a webhook has come to an end; returns it with its attempts."""
        return await self.becomes(webhook_id, {"delivered", "failed"}, seconds=seconds)

    async def becomes(self, webhook_id: str, states: set[str], *, seconds: float = 20) -> tuple[Any, list[Any]]:
        async with asyncio.timeout(seconds):
            while True:
                found_page = await self.deliveries.read_page(
                    Filter(webhook_id=webhook_id), caller=OPERATOR, after=None, limit=1
                )
                page = found_page.entries
                if page and page[0].state in states:
                    found = await self.deliveries.find(page[0].delivery_id, caller=OPERATOR)
                    assert found is not None
                    return found[0], list(found[1])
                await asyncio.sleep(0.02)


Start = Callable[..., Awaitable[Notifier]]


@pytest.fixture
async def start(engine: AsyncEngine, box: SecretBox) -> AsyncIterator[Start]:
    """Starts notifiers on the test's database; the loopback is allowed unless the test says otherwise."""
    async with AsyncExitStack() as stack:

        async def start(*, instance: str = "0", allowed: str = "127.0.0.0/8", timeout_seconds: float = 10) -> Notifier:
            timeout = aiohttp.ClientTimeout(total=timeout_seconds)
            session = guarded_session(allowed_networks=parse_networks(allowed), timeout=timeout, limit_per_host=0)
            notifier = Notifier(engine, await stack.enter_async_context(session), box, instance=instance)
            await stack.enter_async_context(_running(notifier.sender))
            return notifier

        yield start


@asynccontextmanager
async def _running(sender: Sender) -> AsyncIterator[None]:
    task = asyncio.create_task(sender.run())
    try:
        yield
    finally:
        await sender.stop()
        await task


async def test_a_delivery_arrives_signed_at_once(start: Start) -> None:
    """The receiver verifies it by the library; it carries the event's id, its trace, and nothing waits for a poll."""
    notifier = await start()
    async with receiving() as receiver:
        await notifier.register("w", receiver.url)
        event_id = await notifier.tell()
        (request,) = await receiver.has(1)
        delivery, (attempt,) = await notifier.ends("w")
    assert request.webhook_id == event_id
    assert request.body["data"]["recording_id"] == "recording-1"
    assert request.traceparent is not None
    assert request.traceparent.split("-")[1] == "a" * 32
    assert (delivery.state, attempt.status_code, attempt.error) == ("delivered", 204, None)


async def test_500_then_ok(start: Start) -> None:
    """It is tried again under the same id, and both attempts are on record."""
    notifier = await start()
    async with receiving(status(500)) as receiver:
        await notifier.register("w", receiver.url)
        event_id = await notifier.tell()
        delivery, attempts = await notifier.ends("w")
        assert [request.webhook_id for request in receiver.received] == [event_id] * 2
    assert (delivery.state, [attempt.status_code for attempt in attempts]) == ("delivered", [500, 204])


async def test_a_receiver_that_always_fails_ends_in_failed_and_can_be_replayed(start: Start) -> None:
    """After the last attempt it has failed with the reason; replayed, it arrives under the same id."""
    notifier = await start()
    async with receiving(*[status(500)] * 4) as receiver:
        await notifier.register("w", receiver.url)
        event_id = await notifier.tell()
        delivery, attempts = await notifier.ends("w")
        assert (delivery.state, len(attempts)) == ("failed", 4)
        assert "given up after 4 attempts: answered 500" in delivery.reason
        await notifier.deliveries.replay(delivery.delivery_id, caller=OPERATOR)
        delivery, attempts = await notifier.becomes("w", {"delivered"})
        assert len(attempts) == 5
        assert {request.webhook_id for request in receiver.received} == {event_id}


async def test_a_receiver_that_hangs_is_given_up_after_the_time_limit(start: Start) -> None:
    """An attempt lasts no longer than the setting, and the next may succeed."""
    notifier = await start(timeout_seconds=0.5)
    released = asyncio.Event()

    async def hang(_request: web.Request) -> web.StreamResponse:
        await released.wait()
        return web.Response()

    async with receiving(hang) as receiver:
        await notifier.register("w", receiver.url)
        await notifier.tell()
        delivery, attempts = await notifier.ends("w")
        released.set()
    assert (delivery.state, attempts[0].status_code, attempts[0].error) == ("delivered", None, "no answer in time")
    assert 400 <= attempts[0].duration_ms < 5_000


async def test_a_webhook_that_hangs_does_not_hold_up_another(start: Start) -> None:
    """Its share of the attempts is bounded, and what it leaves is enough for the rest."""
    notifier = await start()
    released = asyncio.Event()

    async def hang(_request: web.Request) -> web.StreamResponse:
        await released.wait()
        return web.Response()

    async with receiving(*[hang] * 30) as stuck, receiving() as quick:
        await notifier.register("stuck", stuck.url)
        await notifier.register("quick", quick.url)
        wanted = {await notifier.tell(number) for number in range(30)}
        await quick.has_ids(wanted, seconds=5)
        assert len(stuck.received) <= 10
        released.set()
        await stuck.has_ids(wanted)


async def test_a_closed_port_and_one_that_never_accepts_are_failures(start: Start) -> None:
    """No connection is a failed attempt with the reason, whether it is refused or never comes about."""
    notifier = await start(timeout_seconds=0.3)
    with socket.socket() as closed, socket.socket() as full, socket.socket() as first, socket.socket() as second:
        closed.bind(("127.0.0.1", 0))
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for client in (first, second):  # the line is full: whoever comes next hears nothing
            client.setblocking(False)
            client.connect_ex(full.getsockname())
        await notifier.register("closed", f"http://127.0.0.1:{closed.getsockname()[1]}/")
        await notifier.register("full", f"http://127.0.0.1:{full.getsockname()[1]}/")
        await notifier.tell()
        refused, _ = await notifier.ends("closed")
        silent, _ = await notifier.ends("full")
    assert (refused.state, silent.state) == ("failed", "failed")
    assert "no connection to 127.0.0.1" in refused.reason
    assert "Connect call" not in refused.reason, "it has the addresses that a name was resolved to"
    assert "no answer in time" in silent.reason


async def test_redirects_are_not_followed(start: Start) -> None:
    """A redirect is a failure that says what to do; its target hears nothing."""
    notifier = await start()
    async with receiving() as target, receiving(*[status(307, Location=target.url)] * 4) as receiver:
        await notifier.register("w", receiver.url)
        await notifier.tell()
        delivery, attempts = await notifier.ends("w")
        assert target.received == []
    assert (delivery.state, {attempt.status_code for attempt in attempts}) == ("failed", {307})
    assert "redirects are not followed" in delivery.reason


async def test_a_huge_answer_is_not_read(start: Start) -> None:
    """The status counts; of 10 MB no more is taken than fits the buffers on the way."""
    notifier = await start()
    written = 0
    cut_off = asyncio.Event()

    async def huge(request: web.Request) -> web.StreamResponse:
        nonlocal written
        response = web.StreamResponse(headers={"Content-Length": str(10_000_000)})
        await response.prepare(request)
        try:
            while written < 10_000_000:
                await response.write(b"x" * 50_000)
                written += 50_000
        except ConnectionError:
            pass
        finally:
            cut_off.set()
        return response

    async with receiving(huge) as receiver:
        await notifier.register("w", receiver.url)
        await notifier.tell()
        delivery, attempts = await notifier.ends("w")
        async with asyncio.timeout(10):
            await cut_off.wait()
    assert (delivery.state, len(attempts)) == ("delivered", 1)
    assert written < 9_000_000


async def test_410_disables_the_webhook(start: Start) -> None:
    """The delivery has failed after one attempt, and the webhook says so."""
    notifier = await start()
    async with receiving(status(410)) as receiver:
        await notifier.register("w", receiver.url)
        await notifier.tell(1)
        delivery, attempts = await notifier.ends("w")
        await notifier.tell(2)
        found = await notifier.deliveries.find_webhook("w", caller=OPERATOR)
    assert (delivery.state, len(attempts)) == ("failed", 1)
    assert found is not None
    assert found[0].disabled_at is not None
    assert found[1][State.FAILED] == 1
    assert found[1][State.PENDING] == 0


async def test_429_with_retry_after_is_honoured(start: Start) -> None:
    """The next attempt comes no sooner than the receiver asked."""
    notifier = await start()
    async with receiving(status(429, Retry_After="1")) as receiver:
        await notifier.register("w", receiver.url)
        await notifier.tell()
        _, (first, second) = await notifier.ends("w")
        assert len(receiver.received) == 2
    assert second.started_at - first.started_at >= timedelta(seconds=1)


async def test_loopback_is_refused_unless_allowed(start: Start) -> None:
    """Without the setting no connection is made, and the reason names what to do."""
    notifier = await start(allowed="")
    async with receiving() as receiver:
        await notifier.register("w", receiver.url)
        await notifier.tell()
        delivery, attempts = await notifier.ends("w")
        assert receiver.received == []
    assert delivery.state == "failed"
    assert "not a public address" in attempts[0].error
    assert "127.0.0.1" not in attempts[0].error


async def test_a_secret_of_another_key_fails_visibly(start: Start, engine: AsyncEngine) -> None:
    """It is never sent unsigned; the reason says what is wrong."""
    notifier = await start()
    other = SecretBox(SecretStr(make_secret_key()))
    async with receiving() as receiver:
        await notifier.matcher.put_webhook(webhook("w", receiver.url, other))
        await notifier.tell()
        delivery, _ = await notifier.ends("w")
        assert receiver.received == []
    assert "encrypted with another key" in delivery.reason


async def test_what_does_not_end_in_time_at_a_stop_is_sent_after_the_next_start(start: Start) -> None:
    """Stopping takes no longer than the drain allows, and the delivery under way is sent again, under the same id."""
    notifier = await start()
    released = asyncio.Event()

    async def hang(_request: web.Request) -> web.StreamResponse:
        await released.wait()
        return web.Response()

    async with receiving(hang) as receiver:
        await notifier.register("w", receiver.url)
        event_id = await notifier.tell()
        await receiver.has(1)
        async with asyncio.timeout(5):
            await notifier.sender.stop()
        again = await start()
        delivery, attempts = await again.ends("w")
        released.set()
        assert [request.webhook_id for request in receiver.received] == [event_id] * 2
    assert (delivery.attempts, [attempt.number for attempt in attempts]) == (2, [2])


@pytest.mark.parametrize(
    "url", ["http://[::1", "http://host:99999/", "ftp://x/", "x", "", "http:///x", f"http://{'a' * 300}.example/"]
)
async def test_an_odd_url_fails_and_holds_up_nobody(start: Start, url: str) -> None:
    """Whatever stands as a webhook's URL, its delivery fails with the reason, and the next webhook gets its own."""
    notifier = await start()
    async with receiving() as receiver:
        await notifier.matcher.put_webhook(webhook("odd", "x", notifier.box).model_copy(update={"url": url}))
        await notifier.register("w", receiver.url)
        await notifier.tell()
        odd, _ = await notifier.ends("odd")
        good, _ = await notifier.ends("w")
    assert (odd.state, good.state) == ("failed", "delivered")
    assert "URL cannot be called" in odd.reason


@pytest.mark.parametrize("secret", [b"", b"whsec_", b"whsec_a", b"\xff"])
async def test_a_secret_that_is_none_fails_visibly(start: Start, secret: bytes) -> None:
    """Nothing is sent unsigned."""
    notifier = await start()
    async with receiving() as receiver:
        await notifier.matcher.put_webhook(
            webhook("w", receiver.url, notifier.box, encrypted_secret=notifier.box.encrypt(secret))
        )
        await notifier.tell()
        delivery, _ = await notifier.ends("w")
        assert receiver.received == []
    assert "secret cannot sign" in delivery.reason


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_two_senders_share_the_work_without_sending_twice(start: Start) -> None:
    """Undisturbed, each of 200 deliveries arrives once, however the two compete."""
    one, other = await start(instance="0"), await start(instance="1")
    async with receiving() as receiver:
        await one.register("w", receiver.url)
        wanted = {await (one if number % 2 else other).tell(number) for number in range(200)}
        await receiver.has_ids(wanted)
        await asyncio.gather(one.sender.stop(), other.sender.stop())
        assert len(receiver.received) == 200
