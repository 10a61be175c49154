"""Connections of strangers: silent, slow, half open."""

import asyncio
from contextlib import suppress
from urllib.parse import urlsplit

from support.attacks.field import Attack, Field

_HELD_SECONDS = 8
_SILENT, _SLOW = 150, 40


async def _hold(field: Field, url: str, first: bytes, *, drip: bytes = b"") -> None:
    """One connection: says something, then drips, until it is closed or the time is up."""
    parts = urlsplit(url)
    try:
        reader, writer = await asyncio.wait_for(asyncio.open_connection(parts.hostname, parts.port), 5)
    except (OSError, TimeoutError) as error:
        field.tally[type(error).__name__] += 1
        return
    try:
        writer.write(first)
        async with asyncio.timeout(_HELD_SECONDS):
            while True:
                with suppress(TimeoutError):
                    if not await asyncio.wait_for(reader.read(4096), 1):
                        field.tally["closed by the server"] += 1
                        return
                writer.write(drip)
    except TimeoutError:
        field.tally["held"] += 1
    except OSError as error:
        field.tally[type(error).__name__] += 1
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()


async def silent(field: Field) -> None:
    """Connections on which nothing is ever said."""
    urls = (field.place.ingest, field.place.notifier)
    await asyncio.gather(*(_hold(field, urls[number % 2], b"") for number in range(_SILENT)))


async def slow_heads(field: Field) -> None:
    """A request whose head comes a byte a second."""
    first = b"GET /v1/ledger HTTP/1.1\r\nHost: x\r\nX-A: "
    await asyncio.gather(*(_hold(field, field.place.ingest, first, drip=b"a") for _ in range(_SLOW)))


async def slow_bodies(field: Field) -> None:
    """An upload that says who it is and how long it will be, and comes a byte a second; half of them know a key."""
    head = (
        "POST /v1/recordings HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\nContent-Type: multipart/form-data; boundary=b\r\n"
        '{key}\r\n--b\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\n'
    )
    key = f"Authorization: Bearer {field.place.key}\r\n"
    heads = [head.replace("{key}", key if number % 2 else "").encode() for number in range(_SLOW)]
    await asyncio.gather(*(_hold(field, field.place.ingest, first, drip=b"a") for first in heads))


async def half_handshakes(field: Field) -> None:
    """A WebSocket that is asked for, and then nothing; heads that never end, and that are no HTTP."""
    upgrade = (
        "GET /v1/stream HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        f"Sec-WebSocket-Key: {'A' * 22}==\r\nAuthorization: Bearer {field.place.key}\r\n\r\n"
    ).encode()
    firsts = (upgrade, upgrade[:-2], b"\x16\x03\x01" + bytes(200), b"GET / HTTP/1.1\r\nX: " + b"a" * 100_000, b"\xff" * 50_000)
    await asyncio.gather(*(_hold(field, field.place.ingest, firsts[number % len(firsts)]) for number in range(_SLOW)))


ATTACKS = (
    Attack(name="silent connections", by="nobody", strike=silent, pause_seconds=1.0),
    Attack(name="slow heads", by="nobody", strike=slow_heads, pause_seconds=1.0),
    Attack(name="slow bodies", by="nobody", strike=slow_bodies, pause_seconds=1.0),
    Attack(name="half handshakes", by="nobody", strike=half_handshakes, pause_seconds=1.0),
)
