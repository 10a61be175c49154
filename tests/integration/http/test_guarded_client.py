"""Outgoing HTTP reaches the internet and what is allowed, never the inside."""

import asyncio
import socket
from collections.abc import AsyncIterator

import aiohttp
import pytest
from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult
from structlog.testing import capture_logs

from steno.http.client import ForbiddenAddress, guarded_session, parse_networks

TIMEOUT = aiohttp.ClientTimeout(total=10)


@pytest.fixture
async def server() -> AsyncIterator[str]:
    """A server on loopback: `/` answers, `/to?url=` redirects, `/cookie` tells and sets cookies."""

    async def answer(_request: web.Request) -> web.Response:
        return web.Response(text="inside")

    async def redirect(request: web.Request) -> web.Response:
        raise web.HTTPFound(request.query["url"])

    async def cookie(request: web.Request) -> web.Response:
        return web.Response(text=request.headers.get("Cookie", "no cookie"), headers={"Set-Cookie": "a=b"})

    application = web.Application()
    application.router.add_get("/", answer)
    application.router.add_get("/cookie", cookie)
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
        with pytest.raises(ForbiddenAddress):
            await session.get(f"{server}/to", params={"url": target})


async def test_proxies_of_the_environment_are_not_used(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy would connect where we would not."""
    monkeypatch.setenv("HTTP_PROXY", server)
    monkeypatch.setenv("http_proxy", server)
    async with guarded_session(timeout=TIMEOUT, allowed_networks=parse_networks("127.0.0.1/32")) as session:
        with pytest.raises(ForbiddenAddress):
            await session.get("http://127.0.0.2:9/")


class Names(AbstractResolver):
    """Answers with the addresses of a test, one list a look-up; the last for ever."""

    def __init__(self, *answers: list[str]) -> None:
        self.answers = list(answers)
        self.asked = 0

    async def resolve(self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET) -> list[ResolveResult]:
        self.asked += 1
        found = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        kind = {False: socket.AF_INET, True: socket.AF_INET6}
        return [
            ResolveResult(hostname=host, host=address, port=port, family=kind[":" in address], proto=0, flags=0)
            for address in found
        ]

    async def close(self) -> None:
        """Nothing is open."""


@pytest.mark.parametrize(
    "addresses",
    [["127.0.0.1"], ["127.0.0.1", "127.0.0.2"], ["127.0.0.1", "::1"], ["::1", "10.0.0.1", "fe80::1%lo", "fec0::1", "::7f00:1"]],
)
@pytest.mark.parametrize(
    "name", ["inside.example", "inside.example.", "xn--bcher-kva.example", "bücher.example", "localhost.evil"]
)
async def test_a_name_with_inside_addresses_only_is_refused(server: str, name: str, addresses: list[str]) -> None:
    """However many there are, and nothing of them is told; the log tells the operator."""
    port = server.rpartition(":")[2]
    async with guarded_session(timeout=TIMEOUT, resolver=Names(addresses)) as session:
        with capture_logs() as logged, pytest.raises(ForbiddenAddress) as refused:
            await session.get(f"http://{name}:{port}/")
    assert not any(address in str(refused.value) for address in addresses)
    assert [entry["address"] for entry in logged] == addresses


async def test_of_a_name_with_addresses_on_both_sides_those_inside_are_never_tried(server: str) -> None:
    """Here the allowed one stands for the internet."""
    port = server.rpartition(":")[2]
    names = Names(["10.0.0.1", "127.0.0.1", "::1", "192.168.0.1"])
    allowed = parse_networks("127.0.0.1/32")
    tried: list[object] = []

    async with guarded_session(timeout=TIMEOUT, allowed_networks=allowed, resolver=names) as session:
        connect = asyncio.get_running_loop().sock_connect

        async def noted(sock: socket.socket, address: object) -> None:
            tried.append(address)
            await connect(sock, address)  # type: ignore[arg-type]

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(asyncio.get_running_loop(), "sock_connect", noted)
            async with session.get(f"http://both.example:{port}/") as response:
                assert await response.text() == "inside"
    assert tried == [("127.0.0.1", int(port))]


async def test_a_name_that_is_another_at_the_second_look_is_checked_again(server: str) -> None:
    """What was good once is not good for ever (DNS rebinding)."""
    port = server.rpartition(":")[2]
    names = Names(["127.0.0.1"], ["127.0.0.2"])
    timeout = aiohttp.ClientTimeout(total=10)
    async with guarded_session(timeout=timeout, allowed_networks=parse_networks("127.0.0.1/32"), resolver=names) as session:
        async with session.get(f"http://turns.example:{port}/", headers={"Connection": "close"}) as response:
            await response.read()
        connector = session.connector
        assert isinstance(connector, aiohttp.TCPConnector)
        connector.clear_dns_cache()
        with pytest.raises(ForbiddenAddress):
            await session.get(f"http://turns.example:{port}/")
    assert names.asked == 2


@pytest.mark.parametrize(
    "host",
    [
        *("127.1", "127.0.1", "2130706433", "0x7f000001", "0x7f.0.0.1", "0177.0.0.1", "017700000001", "0", "127.0.0.1."),
        *("localhost.", "LOCALHOST", "ip6-localhost", "①②⑦.⓪.⓪.①", "127。0。0。1", "[::]", "[::ffff:7f00:1]", "[::127.0.0.1]"),
        *("[fe80::1%25lo]", "[::1%25lo]", "[::ffff:0:127.0.0.1]", "[64:ff9b::127.0.0.1]", "[0:0:0:0:0:0:0:1]"),
    ],
)
async def test_no_notation_of_an_inside_address_is_connected_to(server: str, host: str) -> None:
    """Refused as an address, or not understood as a URL or name; never called."""
    async with guarded_session(timeout=TIMEOUT) as session:
        with pytest.raises((ForbiddenAddress, aiohttp.ClientError, ValueError)):
            await session.get(server.replace("127.0.0.1", host))


async def test_what_one_server_sets_is_not_sent_to_it_again(server: str) -> None:
    """A cookie of one recording's server is nothing to the next recording."""
    async with guarded_session(timeout=TIMEOUT, allowed_networks=parse_networks("127.0.0.1/32")) as session:
        async with session.get(f"{server}/cookie") as response:
            assert "Set-Cookie" in response.headers
        async with session.get(f"{server}/cookie") as response:
            assert await response.text() == "no cookie"
