"""The life of a service's process: start, health, drain, failure."""

import asyncio
import json
import os
import signal
import socket
import ssl
import sys
from asyncio.subprocess import PIPE, Process
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from support.certificates import Authority
from support.collector import collecting

SERVICE = Path(__file__).with_name("service_process.py")


async def start(*arguments: str, **environment: str) -> Process:
    """The smallest service, as a process of its own."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("STENO_")}
    return await asyncio.create_subprocess_exec(
        *(sys.executable, str(SERVICE), *arguments), env={**clean, **environment}, stdout=PIPE, stderr=PIPE
    )


async def log_until(process: Process, event: str) -> dict[str, Any]:
    """The first log line of an event."""
    assert process.stderr is not None
    async with asyncio.timeout(20):
        while line := await process.stderr.readline():
            entry: dict[str, Any] = json.loads(line)
            if entry["event"] == event:
                return entry
    raise AssertionError(f"{event} was never logged")


async def end(process: Process, number: int = signal.SIGTERM) -> tuple[int | None, str, str]:
    """Signals the process and waits: exit status, standard output, rest of the log."""
    process.send_signal(number)
    output, errors = await asyncio.wait_for(process.communicate(), 20)
    return process.returncode, output.decode(), errors.decode()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_drains_the_components_and_ends_well(number: int) -> None:
    """SIGTERM: what is under way is finished, exit status 0."""
    process = await start()
    await log_until(process, "service.listening")
    status, output, _ = await end(process, number)
    assert (status, output) == (0, "drained\n")


async def test_health_and_metrics_are_served_without_a_key() -> None:
    """Probes and Prometheus find what they look for."""
    process = await start()
    url = (await log_until(process, "service.listening"))["url"]
    async with aiohttp.ClientSession(url) as session:
        async with session.get("/health/live") as response:
            assert (response.status, (await response.json())["healthy"]) == (200, True)
        async with session.get("/health/ready") as response:
            assert (response.status, (await response.json())["checks"]) == (200, {"always": True})
        async with session.get("/metrics") as response:
            assert "process_resident_memory_bytes" in await response.text()
    await end(process)


async def test_a_component_that_fails_ends_the_process() -> None:
    """Nothing is left half alive: exit status 1, the reason in the log."""
    process = await start("fail")
    _, errors = await asyncio.wait_for(process.communicate(), 20)
    assert process.returncode == 1
    assert b"the worker broke" in errors


async def test_a_component_that_fails_while_it_is_drained_is_told() -> None:
    """What breaks at the very end is no clean end: exit status 1, the reason in the log."""
    process = await start("fail-late")
    await log_until(process, "service.listening")
    status, _, errors = await end(process)
    assert status == 1
    assert "broke while it was drained" in errors


async def test_a_component_that_hangs_does_not_hold_the_process() -> None:
    """Draining is bounded in time; what it exceeded is told, exit status 1."""
    process = await start("hang", STENO_INGEST_DRAIN_SECONDS="0.1")
    await log_until(process, "service.listening")
    status, _, errors = await end(process)
    assert status == 1
    assert "service.drain_exceeded" in errors


async def test_a_wrong_setting_ends_the_start_with_its_name() -> None:
    """Exit status 2 and one line that says which variable to mend."""
    process = await start(STENO_INGEST_HTTP_PORT="eighty")
    output, _ = await asyncio.wait_for(process.communicate(), 20)
    assert process.returncode == 2
    assert b"STENO_INGEST_HTTP_PORT" in output


async def test_what_kubernetes_sets_for_services_ends_no_start() -> None:
    """It is told once, and the service goes on with its settings."""
    links = {"STENO_INGEST_PORT": "tcp://10.0.0.1:8080", "STENO_NOTIFIER_SERVICE_HOST": "10.0.0.2"}
    process = await start(**links)
    told = await log_until(process, "settings.service_links_ignored")
    assert told["variables"] == ["STENO_INGEST_PORT", "STENO_NOTIFIER_SERVICE_HOST"]
    assert told["services"] == ["steno-ingest", "steno-notifier"]
    await log_until(process, "service.listening")
    assert (await end(process))[0] == 0


async def test_spans_leave_before_the_process_does() -> None:
    """What ended while draining is in the collector when the process is gone."""
    async with collecting() as collector:
        process = await start(STENO_OTLP_ENDPOINT=collector.url)
        await log_until(process, "service.listening")
        assert (await end(process))[0] == 0
    assert [(span.service, span.name) for span in collector.spans] == [("steno-ingest", "work")]


async def test_a_collector_that_hangs_does_not_hold_the_process() -> None:
    """Spans that cannot leave are given up after seconds, and the exit status is that of the service."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        process = await start(STENO_OTLP_ENDPOINT=f"http://127.0.0.1:{silent.getsockname()[1]}")
        await log_until(process, "service.listening")
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), 8) == 0


async def test_operators_have_a_port_of_their_own(tmp_path: Path) -> None:
    """With one set, the public port tells whether the service is healthy and no more; TLS is on both."""
    authority = Authority(tmp_path)
    process = await start(
        STENO_INGEST_ADMIN_PORT="0",
        STENO_INGEST_TLS_CERTIFICATE_FILE=str(authority.pem("127.0.0.1")),
        STENO_INGEST_TLS_CLIENT_CA_FILE=str(authority.file),
    )
    public = (await log_until(process, "service.listening"))["url"]
    admin = (await log_until(process, "service.listening_for_operators"))["url"]
    trusting = ssl.create_default_context(cafile=str(authority.file))
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=trusting)) as session:
        async with session.get(f"{admin}/health/ready") as response:
            assert (response.status, (await response.json())["checks"]) == (200, {"always": True})
        async with session.get(f"{admin}/metrics") as response:
            assert "steno_http_connections" in await response.text()
        with pytest.raises(aiohttp.ClientError):
            await session.get(f"{public}/health/ready")
    showing = ssl.create_default_context(cafile=str(authority.file))
    showing.load_cert_chain(authority.pem("client"))
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=showing)) as session:
        async with session.get(f"{public}/health/ready") as response:
            assert (response.status, await response.json()) == (200, {"healthy": True})
        async with session.get(f"{public}/metrics") as response:
            assert response.status == 404
    assert (await end(process))[0] == 0


async def test_files_without_a_certificate_end_the_start(tmp_path: Path) -> None:
    """Exit status 1, and the files are named: nothing is served in the clear instead."""
    process = await start(STENO_INGEST_TLS_CERTIFICATE_FILE=str(tmp_path / "none.pem"))
    _, errors = await asyncio.wait_for(process.communicate(), 20)
    assert process.returncode == 1
    assert b"none.pem" in errors
