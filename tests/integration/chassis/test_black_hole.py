"""Services whose Kafka swallows what is sent there: no error, no answer."""

import asyncio
import json
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from support.service_process import ServiceProcess

from steno.crypto import make_secret_key
from steno.settings import SERVICES


@pytest.fixture
def black_holes() -> Iterator[str]:
    """Two brokers: one takes connections and never answers, packets to the other are dropped."""
    with ExitStack() as stack:
        silent = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        # A full line of connections that nobody takes: the system drops what comes after.
        full = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(full.getsockname())
        yield ",".join(f"127.0.0.1:{each.getsockname()[1]}" for each in (full, silent))


@pytest.mark.parametrize("service", SERVICES)
async def test_health_answers_at_once(service: str, black_holes: str, tmp_path: Path) -> None:
    """It is live and not ready, and says why; told to stop, it stops in time and well."""
    own = {
        "DATABASE_URL": f"sqlite:///{tmp_path}/rows.db",
        "SECRET_KEY": make_secret_key(),
        "ENGINE": "scripted",
        "ADMIN_PORT": "0",
    }
    known = {"ingest": ("DATABASE_URL", "SECRET_KEY"), "notifier": ("DATABASE_URL", "SECRET_KEY"), "transcriber": ("ENGINE",)}
    environment = {f"STENO_{service.upper()}_{name}": own[name] for name in (*known.get(service, ()), "ADMIN_PORT")}
    process = ServiceProcess(
        service,
        servers=black_holes,
        prefix="steno.",
        partitions=1,
        environment={**environment, "STENO_OBJECTS_URL": (tmp_path / "objects").as_uri()},
    )
    async with process:
        async with asyncio.timeout(20):
            assert await process.request("GET", "/health/live") == (200, {"healthy": True})
            assert await process.request("GET", "/health/ready") == (503, {"healthy": False})
            (admin,) = (line["url"] for line in process.lines if line["event"] == "service.listening_for_operators")
            async with process.session() as session, session.get(f"{admin}/health/ready") as response:
                answer = json.loads(await response.text())
            assert answer["checks"]["topics"] is False
            assert "Kafka" in answer["reasons"]["topics"]
        async with asyncio.timeout(20):
            assert await process.stop() == 0
