"""How much of the database one key may have, by REST."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from starlette.responses import Response
from steno_ingest.rest.rates import Rates
from steno_ingest.settings import IngestSettings

from steno.crypto import make_secret_key
from steno.http.auth import ApiKeys, key_line
from steno.http.gate import Gate


@pytest.mark.parametrize(
    ("method", "path", "most"),
    [
        ("GET", "/v1/ledger", 1),
        ("GET", "/v1/recordings", 4),
        ("GET", "/v1/calls", 4),
        ("GET", "/v1/webhooks", 4),
        ("POST", "/v1/calls/a/pause", 32),
        ("POST", "/v1/calls/a\nb/resume", 32),
        ("PUT", "/v1/calls/a/roles", 32),
        ("POST", "/v1/calls/a/end", 32),
        ("POST", "/v1/recordings/a/cancel", 32),
        ("PATCH", "/v1/webhooks/a", 32),
        ("POST", "/v1/webhooks/a/rotate", 32),
        ("DELETE", "/v1/webhooks/a", 32),
    ],
)
async def test_what_one_key_asks_of_the_database_waits_for_its_turn(tmp_path: Path, method: str, path: str, most: int) -> None:
    """However many requests of it come at once, so many are worked on, and all are answered."""
    (tmp_path / "keys").write_text(key_line("crm", "k"))
    at_work, seen, answered = 0, 0, []

    async def work(scope: Any, receive: Any, send: Any) -> None:
        nonlocal at_work, seen
        at_work += 1
        seen = max(seen, at_work)
        await asyncio.sleep(0)
        at_work -= 1
        await Response(status_code=204)(scope, receive, send)

    async def receive() -> Any:
        raise AssertionError("there is no body")

    async def send(message: Any) -> None:
        answered.append(message.get("status"))

    rates = Rates.of(IngestSettings(secret_key=make_secret_key()))
    gate = Gate(work, keys=ApiKeys(tmp_path / "keys"), wrong_keys=rates.wrong_keys, limited=rates.limited)
    scope = {"type": "http", "method": method, "path": path, "query_string": b"", "headers": [(b"x-api-key", b"k")]}
    await asyncio.gather(*(gate({**scope, "state": {}}, receive, send) for _ in range(100)))
    assert seen == most
    assert answered.count(204) == 100
