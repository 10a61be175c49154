"""What unauthenticated clients may send to the server of every service, over real sockets."""

import asyncio
import errno
import json
import socket
import time
from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import aiohttp
import psutil
import pytest
from support.http_server import BOUNDS, KEY, head, served, status_of
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from steno.http.connections import Connections
from steno.http.listener import Listener

_FORM = "Content-Type: multipart/form-data; boundary=x"
_QUICK = replace(BOUNDS, head_seconds=0.3, grace_seconds=0.3)


def _problem(answered: bytes) -> Any:
    return json.loads(answered.partition(b"\r\n\r\n")[2])


async def test_a_body_without_a_key_is_neither_asked_for_nor_kept(tmp_path: Path) -> None:
    """401 comes before `100 Continue`; what is sent all the same is thrown away, and its sender reads the answer."""
    async with served(tmp_path) as steno:
        expecting = head("POST", "/upload", _FORM, "Content-Length: 5000000", "Expect: 100-continue", key=None)
        assert status_of(await steno.ask(expecting)) == 401
        before = psutil.Process().memory_info().rss
        insisting = head("POST", "/upload", _FORM, "Content-Length: 4000000", key="steno_wrong")
        answers = await asyncio.gather(*(steno.ask(insisting, bytes(4_000_000)) for _ in range(40)))
        assert {status_of(answer) for answer in answers} == {401}
        assert psutil.Process().memory_info().rss - before < 64e6
        assert b"connection: close" in answers[0].lower()


async def test_a_key_gets_100_continue_and_is_read(tmp_path: Path) -> None:
    """With a key the body is asked for, and counted."""
    async with served(tmp_path) as steno:
        reader, writer = await steno.open()
        writer.write(head("POST", "/upload", _FORM, "Content-Length: 300000", "Expect: 100-continue", "Connection: close"))
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(bytes(300_000))
        assert (await reader.read()).endswith(b"300000")
        writer.close()


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"GET / HTTP/1.1\r\nA: " + b"b" * 40_000, 431),
        (head("GET", "/health/live", *(f"A{number}: b" for number in range(200))), 431),
        (head("GET", "/health/live", "A: " + "b" * 9000), 431),
        (head("GET", "/" + "a" * 9000), 414),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\n\n", 400),
        (b"GET / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400),
        (b"\r\nGET / HTTP/1.1\r\n\r\n", 400),
        (b"\n\n", 400),
        (head("POST", "/upload", _FORM, "Transfer-Encoding: chunked") + b"zz\r\n", 400),
    ],
)
async def test_what_is_no_request_is_a_problem(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, sent: bytes, status: int
) -> None:
    """Each ends its connection with an answer that says why, and writes no line into the log."""
    async with served(tmp_path) as steno:
        answered = await steno.ask(sent)
        assert (status_of(answered), _problem(answered)["status"]) == (status, status)
    assert [record.message for record in caplog.records if record.levelname != "INFO"] == []


@pytest.mark.parametrize("size", [1, 3, 7, 100_000])
async def test_requests_come_in_any_pieces(tmp_path: Path, size: int) -> None:
    """Two requests behind one another are answered in their order, however TCP cuts them."""
    first = head("POST", "/upload", _FORM, "Content-Length: 7") + b"\r\n\r\nabc"
    second = head("GET", "/client") + head("GET", "/client", "Connection: close")
    async with served(tmp_path) as steno:
        reader, writer = await steno.open()
        for start in range(0, len(first), size):
            writer.write(first[start : start + size])
            await asyncio.sleep(0)
        assert (await reader.readuntil(b"\r\n\r\n7")).startswith(b"HTTP/1.1 200")
        for start in range(0, len(second), size):
            writer.write(second[start : start + size])
            await asyncio.sleep(0)
        assert (await reader.read()).count(b"HTTP/1.1 200") == 2
        writer.close()


async def test_tiny_chunks_without_a_key_cost_nothing(tmp_path: Path) -> None:
    """Chunks of a byte each are not taken apart before somebody asks for them."""
    async with served(tmp_path) as steno:
        chunked = head("POST", "/upload", _FORM, "Transfer-Encoding: chunked", key=None)
        body = b"1\r\na\r\n" * 300_000
        began = time.thread_time()
        assert status_of(await steno.ask(chunked, body)) == 401
        assert time.thread_time() - began < 0.5


async def test_tiny_chunks_with_a_key_are_refused(tmp_path: Path) -> None:
    """A body chopped into bytes is given up before it holds the event loop; one in small, sensible chunks is read."""
    chunked = head("POST", "/upload", _FORM, "Transfer-Encoding: chunked", "Connection: close")
    async with served(tmp_path) as steno:
        began = time.thread_time()
        answered = await steno.ask(chunked, b"1\r\na\r\n" * 300_000)
        assert (status_of(answered), _problem(answered)["type"]) == (400, "urn:steno:problem:chunks")
        answered = await steno.ask(chunked, b"1;" + b"a" * 30_000 + b"\r\n")
        assert status_of(answered) == 400
        assert time.thread_time() - began < 0.5
        sensible = b"a0\r\n" + b"a" * 160 + b"\r\n"
        assert (await steno.ask(chunked, sensible * 2000 + b"0\r\n\r\n")).endswith(b"320000")


async def test_silent_and_slow_ones_are_closed_in_time(tmp_path: Path) -> None:
    """Nothing at all, a head byte by byte, a body byte by byte, an answer that is not read, and an idle connection."""
    async with served(tmp_path, bounds=_QUICK, keep_alive_seconds=0.3) as steno:

        async def dripping(start: bytes) -> bytes:
            reader, writer = await steno.open()
            writer.write(start)
            answer = asyncio.create_task(reader.read())
            while not answer.done():
                writer.write(b"a")
                await asyncio.sleep(0.02)
            writer.close()
            return answer.result()

        async def deaf() -> None:
            reader, writer = await steno.open()
            writer.write(head("GET", "/large"))
            while len(steno.server.connections) > 0:
                await asyncio.sleep(0.02)
            assert reader.at_eof() is False
            writer.transport.abort()

        async with asyncio.timeout(8):
            silent, slow_head, slow_body, idle, _ = await asyncio.gather(
                steno.ask(),
                dripping(head("GET", "/client")[:-4] + b"\r\nA: "),
                dripping(head("POST", "/upload", _FORM, "Content-Length: 500000")),
                steno.ask(head("GET", "/client")),
                deaf(),
            )
        assert silent == b""
        assert status_of(slow_head) == _problem(slow_head)["status"] == 408
        assert status_of(slow_body) == _problem(slow_body)["status"] == 408
        assert status_of(idle) == 200


async def test_a_fast_enough_body_goes_on(tmp_path: Path) -> None:
    """What keeps its pace is not closed, however long it takes."""
    async with served(tmp_path, bounds=replace(_QUICK, min_bytes_per_second=1000)) as steno:
        reader, writer = await steno.open()
        writer.write(head("POST", "/upload", _FORM, "Content-Length: 20000", "Connection: close"))
        for _ in range(20):
            writer.write(bytes(1000))
            await asyncio.sleep(0.1)
        assert (await reader.read()).endswith(b"20000")
        writer.close()


async def test_an_upgrade_that_is_none_is_closed_in_time(tmp_path: Path) -> None:
    """A WebSocket handshake that the library cannot read, and one without a key, do not stay."""
    upgrade = ("Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13")
    async with served(tmp_path, bounds=_QUICK) as steno:
        assert status_of(await steno.ask(head("GET", "/echo", *upgrade, "Sec-WebSocket-Key: short"))) == 400
        good = "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=="
        assert status_of(await steno.ask(head("GET", "/echo", *upgrade, good, key=None))) == 403
        await steno.ask(head("GET", "/echo", *upgrade, good, "A\x7f: b"))
        async with asyncio.timeout(3):
            while len(steno.server.connections) > 0:
                await asyncio.sleep(0.05)
        with pytest.raises(InvalidStatus):
            await connect(f"ws://127.0.0.1:{steno.port}/echo")


async def _call(port: int, host: str, until: asyncio.Event) -> list[float]:
    """A WebSocket that goes on, for 30 messages at least: how long each took there and back."""
    took: list[float] = []
    options: dict[str, Any] = {"local_addr": (host, 0), "additional_headers": {"X-Api-Key": KEY}}
    async with connect(f"ws://127.0.0.1:{port}/echo", **options) as call:
        while not until.is_set() or len(took) < 30:
            began = time.monotonic()
            await call.send("a")
            assert await call.recv() == "a"
            took.append(time.monotonic() - began)
            await asyncio.sleep(0.02)
    return took


async def _silent(port: int, host: str, count: int, sent: bytes) -> list[socket.socket]:
    loop = asyncio.get_running_loop()
    sockets = []
    for _ in range(count):
        attacker = socket.socket()
        attacker.setblocking(False)
        attacker.bind((host, 0))
        sockets.append(attacker)
        await loop.sock_connect(attacker, ("127.0.0.1", port))
        if sent:
            await loop.sock_sendall(attacker, sent)
    return sockets


@pytest.mark.parametrize("friend", ["127.0.0.2", "127.0.0.3"])
async def test_thousands_of_silent_connections_stop_nobody(tmp_path: Path, friend: str) -> None:
    """2,000 that say nothing, or half a head: uploads and a call go on, from another address and from the same one."""
    attacker, until = "127.0.0.3", asyncio.Event()
    async with served(tmp_path, bounds=replace(BOUNDS, most=700)) as steno:
        calling = asyncio.create_task(_call(steno.port, friend, until))
        await asyncio.sleep(0.1)
        crowd: list[socket.socket] = []
        url = f"http://127.0.0.1:{steno.port}/upload"
        async with aiohttp.ClientSession(headers={"X-Api-Key": KEY}) as kept:
            for sent in (b"", b"GET / HTTP/1.1\r\nA: b", head("POST", "/upload", "Content-Length: 100")[:-2], b""):
                crowd += await _silent(steno.port, attacker, 500, sent)
                connector = aiohttp.TCPConnector(local_addr=(friend, 0))
                async with aiohttp.ClientSession(connector=connector, headers={"X-Api-Key": KEY}) as session:
                    for client in (session, kept):
                        form = aiohttp.FormData()
                        form.add_field("file", bytes(200_000), filename="a.wav")
                        async with client.post(url, data=form) as answer:
                            assert answer.status == 200
            assert steno.server.connections.unauthenticated <= BOUNDS.most_of_an_address
        until.set()
        took = sorted(await asyncio.wait_for(calling, 5))
        assert took[len(took) * 9 // 10] < 0.25
        for attacking in crowd:
            attacking.close()


async def test_the_word_of_a_proxy_counts_only_where_it_is_trusted(tmp_path: Path) -> None:
    """Nobody is by default: `X-Forwarded-For` of a client changes nothing."""
    forwarded = head("GET", "/client", "X-Forwarded-For: 203.0.113.9", "Connection: close")
    async with served(tmp_path) as steno:
        assert (await steno.ask(forwarded)).endswith(b"127.0.0.1")
    async with served(tmp_path, trusted_proxies=[ip_network("127.0.0.4/32")]) as steno:
        assert (await steno.ask(forwarded)).endswith(b"127.0.0.1")
        assert (await steno.ask(forwarded, host="127.0.0.4")).endswith(b"203.0.113.9")


async def test_connections_are_taken_again_when_files_ran_out() -> None:
    """Unauthenticated connections make room at once, and the socket is looked at again: not in a busy loop, and not never."""
    connections = Connections(replace(BOUNDS, most=10))
    closed: list[int] = []
    for number in range(5):
        connection = connections.admit("192.0.2.1")
        assert connection is not None
        connection.close = lambda number=number: closed.append(number)  # type: ignore[misc]
    real = socket.create_server(("127.0.0.1", 0))

    class _Full:
        tried = 0

        def accept(self) -> Any:
            self.tried += 1
            if self.tried < 3:
                raise OSError(errno.EMFILE, "too many open files")
            return real.accept()

        def __getattr__(self, name: str) -> Any:
            return getattr(real, name)

    made: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    class _Protocol(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            made.set_result(None)
            transport.close()

    full = _Full()
    listener = Listener(full, lambda _: _Protocol(), connections, tls=None)  # type: ignore[arg-type]
    listener.start()
    _, writer = await asyncio.open_connection(*real.getsockname())
    await asyncio.wait_for(made, 5)
    assert closed == [0, 1, 2, 3, 4]
    assert full.tried < 10
    writer.close()
    listener.stop()


async def test_what_is_sent_in_pieces_does_not_wait_for_acknowledgements() -> None:
    """The system sends each piece at once (TCP_NODELAY), although the listening socket names no protocol."""
    listening = socket.create_server(("127.0.0.1", 0))
    told: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    class _Protocol(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            told.set_result(transport.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
            transport.close()

    listener = Listener(listening, lambda _: _Protocol(), Connections(BOUNDS), tls=None)
    listener.start()
    _, writer = await asyncio.open_connection(*listening.getsockname())
    assert await asyncio.wait_for(told, 5) == 1
    writer.close()
    listener.stop()
