"""What probes and scrapers are told costs little, however many ask."""

import asyncio

import httpx
import pytest
from starlette.applications import Starlette

from steno.http import health as health_module
from steno.http.health import Health


def _client(health: Health) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(Starlette(routes=health.routes()))
    return httpx.AsyncClient(transport=transport, base_url="http://steno")


async def test_who_asks_at_once_is_told_the_same() -> None:
    """A check that asks a database is made once for all who wait for it, and again for the next."""
    asked, answer = 0, asyncio.Event()

    async def check() -> bool:
        nonlocal asked
        asked += 1
        await answer.wait()
        return asked == 1

    health = Health()
    health.add_readiness("database", check)
    async with _client(health) as client:
        waiting = [asyncio.create_task(client.get("/health/ready")) for _ in range(50)]
        while not asked:
            await asyncio.sleep(0)
        waiting[0].cancel()
        for _ in range(50):
            await asyncio.sleep(0)
        answer.set()
        assert {(await task).status_code for task in waiting[1:]} == {200}
        assert asked == 1
        assert (await client.get("/health/ready")).status_code == 503


async def test_why_it_is_not_ready_is_said_where_that_is_known() -> None:
    """To operators, in a sentence, and no longer than it is so."""
    there = False
    health = Health()
    health.add_readiness("topics", lambda: there, why=lambda: "Kafka has not answered yet")
    health.add_readiness("consumer", lambda: there)
    async with _client(health) as client:
        answer = (await client.get("/health/ready")).json()
        assert answer["checks"] == {"topics": False, "consumer": False}
        assert answer["reasons"] == {"topics": "Kafka has not answered yet"}
        there = True
        assert (await client.get("/health/ready")).json() == {"healthy": True, "checks": {"topics": True, "consumer": True}}
        health.drain()
        assert "reasons" not in (await client.get("/health/ready")).json()


async def test_metrics_are_not_written_for_each_who_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    """A page that takes a second is good for four; then it is written anew."""
    clock, written = [0.0], 0

    def slowly() -> bytes:
        nonlocal written
        written += 1
        clock[0] += 1
        return b"%d" % written

    monkeypatch.setattr(health_module, "generate_latest", slowly)
    async with _client(Health(now=lambda: clock[0])) as client:
        assert [(await client.get("/metrics")).text for _ in range(20)] == ["1"] * 20
        clock[0] = 5.0
        assert (await client.get("/metrics")).text == "2"
