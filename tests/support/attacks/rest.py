"""REST requests of clients with and without a key: documents, names, cursors, dates, URLs."""

import json
from typing import Any

from support.attacks.attack import Attack, AttackRun

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


def _routes(target: Any) -> tuple[str, ...]:
    return (
        f"{target.ingest}/v1/recordings",
        f"{target.ingest}/v1/webhooks",
        f"{target.ingest}/v1/calls/x/roles",
        f"{target.ingest}/v1/calls/x/pause",
        f"{target.notifier}/v1/deliveries",
        f"{target.ingest}/v1/nothing",
    )


async def _bodies(run: AttackRun, *, key: bool) -> None:
    async with run.session(key=key) as session:
        headers = {"Content-Type": "application/json"}
        for url in _routes(run.target):
            for body in (_DEEP, _NUMBERS, _WIDE, '{"a":' * 50_000, "9" * 200_000, "{"):
                method = "PUT" if url.endswith("roles") else "POST"
                await run.ask(session, method, url, data=body, headers=headers)


async def bodies(run: AttackRun) -> None:
    """Deep, long and invalid JSON for every route that accepts JSON."""
    await _bodies(run, key=True)


async def bodies_of_strangers(run: AttackRun) -> None:
    """Deep, long and invalid JSON without a key."""
    await _bodies(run, key=False)


async def large_bodies(run: AttackRun) -> None:
    """Bodies of megabytes instead of kilobytes, with and without a key."""
    for key in (False, True):
        async with run.session(key=key) as session:
            for url in _routes(run.target)[1:4]:
                body = b'{"url": "' + b"x" * (4 << 20) + b'"}'
                await run.ask(session, "POST", url, data=body, headers={"Content-Type": "application/json"})


async def lists(run: AttackRun) -> None:
    """Invalid cursors, dates, limits and filters."""
    async with run.session() as session:
        for path in ("recordings", "calls"):
            url = f"{run.target.ingest}/v1/{path}"
            for cursor in _CURSORS:
                await run.ask(session, "GET", url, params={"cursor": cursor})
            for date in _DATES:
                await run.ask(session, "GET", url, params={"since": date, "until": date})
            await run.ask(session, "GET", url, params={"limit": str(2**70)})
        for cursor in (*_CURSORS, "1-1-1-1", "9" * 18 + "-1-1-1"):
            await run.ask(session, "GET", f"{run.target.notifier}/v1/calls/nobody/captions", params={"cursor": cursor})


async def names(run: AttackRun) -> None:
    """Ids and properties with terminal, path and markup sequences."""
    async with run.session() as session:
        for name in _NAMES:
            properties = {name[:100] or "x": name}
            document = {
                "url": "https://192.0.2.1/a.wav",
                "call_id": f"{run.name('name')}{name}"[:256],
                "properties": properties,
            }
            body = json.dumps(document)
            headers = {"Content-Type": "application/json"}
            await run.ask(session, "POST", f"{run.target.ingest}/v1/recordings", data=body, headers=headers)


async def inside(run: AttackRun) -> None:
    """Webhooks and links to internal addresses."""
    async with run.session() as session:
        for url in run.chance.sample(_INSIDE, k=8):
            await run.ask(session, "POST", f"{run.target.ingest}/v1/webhooks", json={"url": url, "events": ["call.summarised"]})
            document = {"url": url, "call_id": run.name("inside")}
            await run.ask(session, "POST", f"{run.target.ingest}/v1/recordings", json=document)


async def wrong_keys(run: AttackRun) -> None:
    """Many wrong keys, at every door."""
    async with run.session(key=False) as session:
        for _ in range(60):
            wrong = {"Authorization": f"Bearer steno_{run.chance.randbytes(32).hex()}"}
            await run.ask(session, "GET", f"{run.target.ingest}/v1/ledger", headers=wrong)
            await run.ask(session, "GET", f"{run.target.notifier}/v1/deliveries", headers=wrong)
        for door in ("stream", "audiohook", "twilio"):
            headers = {
                "Upgrade": "websocket",
                "Connection": "Upgrade",
                "Sec-WebSocket-Version": "13",
                "Sec-WebSocket-Key": "A" * 22 + "==",
            }
            await run.ask(session, "GET", f"{run.target.ingest}/v1/{door}", headers=headers)


async def forms(run: AttackRun) -> None:
    """Invalid multipart bodies."""
    async with run.session() as session:
        for _ in range(6):
            boundary = "b" * run.chance.choice((0, 1, 30, 300))
            body = run.chance.randbytes(2000).replace(b"\r", f"\r\n--{boundary}\r\n".encode())
            headers = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
            await run.ask(session, "POST", f"{run.target.ingest}/v1/recordings", data=body, headers=headers)


ATTACKS = (
    Attack(name="JSON", by="key", attempt=bodies, pause_seconds=5.0),
    Attack(name="JSON of strangers", by="nobody", attempt=bodies_of_strangers, pause_seconds=5.0),
    Attack(name="large bodies", by="nobody", attempt=large_bodies, pause_seconds=4.0),
    Attack(name="cursors and dates", by="key", attempt=lists, pause_seconds=3.0),
    Attack(name="names", by="key", attempt=names, pause_seconds=4.0),
    Attack(name="inside addresses", by="key", attempt=inside, pause_seconds=4.0),
    Attack(name="wrong keys", by="nobody", attempt=wrong_keys, pause_seconds=2.0),
    Attack(name="forms", by="key", attempt=forms, pause_seconds=3.0),
)
