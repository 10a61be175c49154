"""What happens at the entrance of live calls, before there is a call."""

import asyncio
from typing import Any

import pytest
from steno_ingest.calls.doors.http_entrance import DoorFactory, Upgrade, UpgradeRefused
from steno_ingest.calls.doors.port import AcceptedPeer
from steno_ingest.calls.hosting.drivers import Drivers
from steno_ingest.calls.transports.websocket_server import WebSocketServer
from structlog.testing import capture_logs

from steno.http.rates import Rate
from steno.tenants import Caller

PEER = Caller("peer", "acme", key="a digest")


class _Host:
    draining = False


class _Link:
    shown = False

    def mark_authenticated(self) -> None:
        self.shown = True


class _StopHere(Exception):
    """A call would begin."""


class _Door:
    def __getattr__(self, name: str) -> Any:
        raise _StopHere


def _let_in(_: Upgrade, caller: Caller = PEER) -> AcceptedPeer:
    return AcceptedPeer(door=_Door(), caller=caller, holds=lambda: True)


def _refuse(_: Upgrade) -> AcceptedPeer:
    raise UpgradeRefused(401, "no key")


_DOORS: dict[str, DoorFactory] = {}


async def _knock(server: WebSocketServer, factory: Any, client: str = "192.0.2.1") -> tuple[int, dict[bytes, bytes], bool]:
    """The status that an upgrade is answered with (101 where it is accepted), its headers, and whether it is known then."""
    sent: list[dict[str, Any]] = []
    link = _Link()

    async def receive() -> dict[str, Any]:
        return {"type": "websocket.connect" if not sent else "websocket.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)
        if message["type"] == "websocket.accept":
            raise OSError

    scope = {
        "type": "websocket",
        "path": "/v1/stream",
        "query_string": b"",
        "headers": [],
        "client": (client, 1),
        "state": {"connection": link},
    }
    _DOORS["/v1/stream"] = factory
    await asyncio.wait_for(server.serve(scope, receive, send), 5)
    first = sent[0]
    return first.get("status", 101), dict(first.get("headers", ())), link.shown


async def test_a_reason_may_be_in_the_close_frame() -> None:
    """For peers that do not show their users the body of a response."""
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "websocket.connect"}

    async def send(message: Any) -> None:
        sent.append(message)

    def refuse(_: Upgrade) -> AcceptedPeer:
        raise UpgradeRefused(400, "no translation", by_close=True)

    scope = {"type": "websocket", "path": "/v1/stream", "query_string": b"", "headers": []}
    _DOORS["/v1/stream"] = refuse
    await _server().serve(scope, receive, send)
    assert sent == [{"type": "websocket.accept"}, {"type": "websocket.close", "code": 1007, "reason": "no translation"}]


def _server(**options: Any) -> WebSocketServer:
    return WebSocketServer(_DOORS, Drivers(_Host(), None, None, idle_seconds=60), **options)  # type: ignore[arg-type]


async def test_who_is_let_in_is_authenticated() -> None:
    """A connection whose door lets it in counts as authenticated; one that is refused does not."""
    server = _server()
    assert await _knock(server, _let_in) == (101, {}, True)
    status, _, known = await _knock(server, _refuse)
    assert (status, known) == (401, False)


async def test_openings_are_counted_by_who_opens() -> None:
    """Beyond its rate a key is told when to come back; what was refused for its key counts for nobody's openings."""
    server = _server(openings=Rate(2, now=lambda: 0.0))
    for _ in range(10):
        assert (await _knock(server, _refuse))[0] == 401
    assert [(await _knock(server, _let_in))[0] for _ in range(3)] == [101, 101, 429]
    status, headers, known = await _knock(server, _let_in)
    assert (status, headers[b"retry-after"], known) == (429, b"30", False)


async def test_one_key_does_not_take_all_calls() -> None:
    """Connections of a key are bounded; one that ends makes room for the next."""
    server = _server(most_of_a_key=1)
    server._of_key[PEER.key] = 1
    status, headers, known = await _knock(server, _let_in)
    assert (status, headers[b"retry-after"], known) == (429, b"5", False)
    server._of_key[PEER.key] = 0
    assert (await _knock(server, _let_in))[0] == 101


async def test_guessing_is_slowed_down() -> None:
    """Wrong keys are counted by address, together with those of REST; a right one from there opens."""
    server = _server(wrong_keys=Rate(2, now=lambda: 0.0))
    assert [(await _knock(server, _refuse))[0] for _ in range(4)] == [401, 401, 429, 429]
    assert (await _knock(server, _let_in))[0] == 101
    assert (await _knock(server, _refuse, client="192.0.2.2"))[0] == 401


@pytest.mark.parametrize("name", ["audiohook", "twilio", "crm"])
async def test_keys_of_one_name_do_not_count_for_each_other(name: str) -> None:
    """All keys of a platform have one name, and two tenants may choose the same: each key has its own count."""
    server = _server(most_of_a_key=1, openings=Rate(1, now=lambda: 0.0))
    for tenant in ("acme", "other"):
        caller = Caller(name, tenant, key=f"digest of {tenant}")
        statuses = [(await _knock(server, lambda upgrade, caller=caller: _let_in(upgrade, caller)))[0] for _ in range(2)]
        assert statuses == [101, 429]
    server._of_key["digest of acme"] = 1
    assert (await _knock(server, lambda upgrade: _let_in(upgrade, Caller(name, "third", key="a third"))))[0] == 101


async def test_refusals_are_logged_as_often_as_keys_may_be_wrong() -> None:
    """A stranger fills no log: so many lines a minute, of a bounded length."""

    def refuse(_: Upgrade) -> AcceptedPeer:
        details = {"reason": "signature", "url": "wss://" + "a" * 90_000}
        raise UpgradeRefused(401, "not signed right", event="twilio.refused", details=details)

    server = _server(wrong_keys=Rate(2, now=lambda: 0.0))
    with capture_logs() as logs:
        for _ in range(9):
            await _knock(server, refuse)
    assert [entry["event"] for entry in logs] == ["twilio.refused"] * 2
    assert [(entry["reason"], len(entry["url"])) for entry in logs] == [("signature", 256)] * 2
