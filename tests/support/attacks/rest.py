"""REST of somebody with a key, and of somebody without: documents, names, cursors, dates, URLs."""

import json
from typing import Any

from support.attacks.field import Attack, Field

_DEEP = "[" * 100_000 + "]" * 100_000
_NUMBERS = "[" + ",".join(["1"] * 200_000) + "]"
_WIDE = json.dumps({f"k{number}": number for number in range(20_000)})
_NAMES = (
    "\x1b]0;x\x07\x1b[2J", "[/x]", "[bold]", "../../etc/passwd", "a" * 300, "\u202egnp", "%00", "\ud800", "a/../b", "/captions",
)  # fmt: skip
_CURSORS = (
    "WyJcdWQ4MDAiLDFd", "WzksIlx1ZDgwMCJd", "WzkyMjMzNzIwMzY4NTQ3NzU4MDcsImEiXQ", "WzFlMzA5LCJhIl0", "AAAA", "9" * 900,
    "W1tbW1tbW1tb", "é",
)  # fmt: skip
_DATES = ("9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+23:59", "99999-01-01T00:00:00Z", "NaN", "2026-02-30T00:00:00Z")
_INSIDE = (
    "http://127.0.0.1:22/", "http://10.0.0.1/", "http://169.254.169.254/", "http://[::1]/", "http://[::ffff:10.0.0.1]/",
    "http://192.0.0.192/", "http://168.63.129.16/", "http://[fec0::1]/", "http://[::10.0.0.1]/", "http://[5f00::1]/",
    "http://0/", "http://localhost/", "http://2130706433/", "file:///etc/passwd", "http://[::ffff:0:10.0.0.1]/",
    "http://[3fff::1]/",
)  # fmt: skip


def _routes(place: Any) -> tuple[str, ...]:
    return (
        f"{place.ingest}/v1/recordings",
        f"{place.ingest}/v1/webhooks",
        f"{place.ingest}/v1/calls/x/roles",
        f"{place.ingest}/v1/calls/x/pause",
        f"{place.notifier}/v1/deliveries",
        f"{place.ingest}/v1/nothing",
    )


async def _bodies(field: Field, *, key: bool) -> None:
    async with field.session(key=key) as session:
        headers = {"Content-Type": "application/json"}
        for url in _routes(field.place):
            for body in (_DEEP, _NUMBERS, _WIDE, '{"a":' * 50_000, "9" * 200_000, "{"):
                method = "PUT" if url.endswith("roles") else "POST"
                await field.ask(session, method, url, data=body, headers=headers)


async def bodies(field: Field) -> None:
    """Deep, long and broken JSON for every route that takes some."""
    await _bodies(field, key=True)


async def bodies_of_strangers(field: Field) -> None:
    """The same without a key."""
    await _bodies(field, key=False)


async def large_bodies(field: Field) -> None:
    """Megabytes where kilobytes are meant, by a stranger and by a friend."""
    for key in (False, True):
        async with field.session(key=key) as session:
            for url in _routes(field.place)[1:4]:
                body = b'{"url": "' + b"x" * (4 << 20) + b'"}'
                await field.ask(session, "POST", url, data=body, headers={"Content-Type": "application/json"})


async def lists(field: Field) -> None:
    """Cursors, dates, limits and filters."""
    async with field.session() as session:
        for path in ("recordings", "calls"):
            url = f"{field.place.ingest}/v1/{path}"
            for cursor in _CURSORS:
                await field.ask(session, "GET", url, params={"cursor": cursor})
            for date in _DATES:
                await field.ask(session, "GET", url, params={"since": date, "until": date})
            await field.ask(session, "GET", url, params={"limit": str(2**70)})
        for cursor in (*_CURSORS, "1-1-1-1", "9" * 18 + "-1-1-1"):
            await field.ask(session, "GET", f"{field.place.notifier}/v1/calls/nobody/captions", params={"cursor": cursor})


async def names(field: Field) -> None:
    """Ids and properties that a terminal, a path or markup would follow."""
    async with field.session() as session:
        for name in _NAMES:
            properties = {name[:100] or "x": name}
            document = {
                "url": "https://192.0.2.1/a.wav",
                "call_id": f"{field.name('name')}{name}"[:256],
                "properties": properties,
            }
            body = json.dumps(document)
            headers = {"Content-Type": "application/json"}
            await field.ask(session, "POST", f"{field.place.ingest}/v1/recordings", data=body, headers=headers)


async def inside(field: Field) -> None:
    """Webhooks and links to addresses inside."""
    async with field.session() as session:
        for url in field.chance.sample(_INSIDE, k=8):
            await field.ask(
                session, "POST", f"{field.place.ingest}/v1/webhooks", json={"url": url, "events": ["call.summarised"]}
            )
            document = {"url": url, "call_id": field.name("inside")}
            await field.ask(session, "POST", f"{field.place.ingest}/v1/recordings", json=document)


async def wrong_keys(field: Field) -> None:
    """Keys in bulk, on every door."""
    async with field.session(key=False) as session:
        for _ in range(60):
            wrong = {"Authorization": f"Bearer steno_{field.chance.randbytes(32).hex()}"}
            await field.ask(session, "GET", f"{field.place.ingest}/v1/ledger", headers=wrong)
            await field.ask(session, "GET", f"{field.place.notifier}/v1/deliveries", headers=wrong)
        for door in ("stream", "audiohook", "twilio"):
            headers = {
                "Upgrade": "websocket",
                "Connection": "Upgrade",
                "Sec-WebSocket-Version": "13",
                "Sec-WebSocket-Key": "A" * 22 + "==",
            }
            await field.ask(session, "GET", f"{field.place.ingest}/v1/{door}", headers=headers)


async def forms(field: Field) -> None:
    """Multipart bodies that are none."""
    async with field.session() as session:
        for _ in range(6):
            boundary = "b" * field.chance.choice((0, 1, 30, 300))
            body = field.chance.randbytes(2000).replace(b"\r", f"\r\n--{boundary}\r\n".encode())
            headers = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
            await field.ask(session, "POST", f"{field.place.ingest}/v1/recordings", data=body, headers=headers)


ATTACKS = (
    Attack(name="JSON", by="key", strike=bodies, pause_seconds=5.0),
    Attack(name="JSON of strangers", by="nobody", strike=bodies_of_strangers, pause_seconds=5.0),
    Attack(name="large bodies", by="nobody", strike=large_bodies, pause_seconds=4.0),
    Attack(name="cursors and dates", by="key", strike=lists, pause_seconds=3.0),
    Attack(name="names", by="key", strike=names, pause_seconds=4.0),
    Attack(name="inside addresses", by="key", strike=inside, pause_seconds=4.0),
    Attack(name="wrong keys", by="nobody", strike=wrong_keys, pause_seconds=2.0),
    Attack(name="forms", by="key", strike=forms, pause_seconds=3.0),
)
