"""Unauthenticated connections: silent, slow, half open."""

import asyncio
from contextlib import suppress
from urllib.parse import urlsplit

from support.attacks.attack import Attack, AttackRun

_HELD_SECONDS = 8
_SILENT, _SLOW = 150, 40


async def _hold(run: AttackRun, url: str, first: bytes, *, drip: bytes = b"") -> None:
    """Opens a connection, sends some bytes, then a few more each second, until it is closed or the time is up."""
    parts = urlsplit(url)
    try:
        reader, writer = await asyncio.wait_for(asyncio.open_connection(parts.hostname, parts.port), 5)
    except (OSError, TimeoutError) as error:
        run.tally[type(error).__name__] += 1
        return
    try:
        writer.write(first)
        async with asyncio.timeout(_HELD_SECONDS):
            while True:
                with suppress(TimeoutError):
                    if not await asyncio.wait_for(reader.read(4096), 1):
                        run.tally["closed by the server"] += 1
                        return
                writer.write(drip)
    except TimeoutError:
        run.tally["held"] += 1
    except OSError as error:
        run.tally[type(error).__name__] += 1
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()


async def silent(run: AttackRun) -> None:
    """Connections without any data."""
    urls = (run.target.ingest, run.target.notifier)
    await asyncio.gather(*(_hold(run, urls[number % 2], b"") for number in range(_SILENT)))


async def slow_heads(run: AttackRun) -> None:
    """Requests whose heads come one byte per second."""
    first = b"GET /v1/ledger HTTP/1.1\r\nHost: x\r\nX-A: "
    await asyncio.gather(*(_hold(run, run.target.ingest, first, drip=b"a") for _ in range(_SLOW)))


async def slow_bodies(run: AttackRun) -> None:
    """Uploads whose bodies come one byte per second; half of them have a valid key."""
    head = (
        "POST /v1/recordings HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\nContent-Type: multipart/form-data; boundary=b\r\n"
        '{key}\r\n--b\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\n'
    )
    key = f"Authorization: Bearer {run.target.key}\r\n"
    heads = [head.replace("{key}", key if number % 2 else "").encode() for number in range(_SLOW)]
    await asyncio.gather(*(_hold(run, run.target.ingest, first, drip=b"a") for first in heads))


async def half_handshakes(run: AttackRun) -> None:
    """WebSocket upgrades without further data, heads without an end, and data that is not HTTP."""
    upgrade = (
        "GET /v1/stream HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        f"Sec-WebSocket-Key: {'A' * 22}==\r\nAuthorization: Bearer {run.target.key}\r\n\r\n"
    ).encode()
    firsts = (upgrade, upgrade[:-2], b"\x16\x03\x01" + bytes(200), b"GET / HTTP/1.1\r\nX: " + b"a" * 100_000, b"\xff" * 50_000)
    await asyncio.gather(*(_hold(run, run.target.ingest, firsts[number % len(firsts)]) for number in range(_SLOW)))


ATTACKS = (
    Attack(name="silent connections", by="nobody", attempt=silent, pause_seconds=1.0),
    Attack(name="slow heads", by="nobody", attempt=slow_heads, pause_seconds=1.0),
    Attack(name="slow bodies", by="nobody", attempt=slow_bodies, pause_seconds=1.0),
    Attack(name="half handshakes", by="nobody", attempt=half_handshakes, pause_seconds=1.0),
)
