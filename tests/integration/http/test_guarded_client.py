"""Outgoing HTTP reaches the internet and what is allowed, never the inside."""

from collections.abc import AsyncIterator

import aiohttp
import pytest
from aiohttp import web

from steno.http.client import ForbiddenAddress, guarded_session, parse_networks

TIMEOUT = aiohttp.ClientTimeout(total=10)


@pytest.fixture
async def server() -> AsyncIterator[str]:
    """A server on loopback: `/` answers, `/to?url=` redirects."""

    async def answer(_request: web.Request) -> web.Response:
        return web.Response(text="inside")

    async def redirect(request: web.Request) -> web.Response:
        raise web.HTTPFound(request.query["url"])

    application = web.Application()
    application.router.add_get("/", answer)
    application.router.add_get("/to", redirect)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "0.0.0.0", "0x7f.1", "[::ffff:127.0.0.1]"])
async def test_loopback_is_refused_in_every_notation(server: str, host: str) -> None:
    """The address that is connected to counts, not how it was written."""
    async with guarded_session(timeout=TIMEOUT) as session:
        with pytest.raises(ForbiddenAddress):
            await session.get(server.replace("127.0.0.1", host))


async def test_an_allowed_network_is_reached(server: str) -> None:
    """The operator's word opens the inside."""
    async with (
        guarded_session(timeout=TIMEOUT, allowed_networks=parse_networks("127.0.0.1/32")) as session,
        session.get(server) as response,
    ):
        assert await response.text() == "inside"


async def test_a_redirect_inside_is_refused(server: str) -> None:
    """Each hop is checked anew."""
    target = server.replace("127.0.0.1", "127.0.0.2")
    async with guarded_session(timeout=TIMEOUT, allowed_networks=parse_networks("127.0.0.1/32")) as session:
        with pytest.raises(ForbiddenAddress, match=r"127\.0\.0\.2"):
            await session.get(f"{server}/to", params={"url": target})


async def test_proxies_of_the_environment_are_not_used(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy would connect where we would not."""
    monkeypatch.setenv("HTTP_PROXY", server)
    monkeypatch.setenv("http_proxy", server)
    async with guarded_session(timeout=TIMEOUT, allowed_networks=parse_networks("127.0.0.1/32")) as session:
        with pytest.raises(ForbiddenAddress):
            await session.get("http://127.0.0.2:9/")
