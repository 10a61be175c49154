"""Runs a service: reads its settings, sets up telemetry, serves HTTP, and runs and drains its components.

A service is a few components that work until they are stopped. `serve` runs them side by side with the HTTP server; SIGTERM or
SIGINT turns readiness off and stops them in the order they were given; one that ends or fails by itself ends the process, and
whoever supervises it starts it again.
"""

import asyncio
import gc
import os
import resource
import signal
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

import structlog
from starlette.applications import Starlette
from starlette.middleware import Middleware

from steno import private_files
from steno import settings as settings_module
from steno.background import until_stopped
from steno.errors import StenoError
from steno.http.auth import ApiKeys
from steno.http.gate import Gate
from steno.http.health import Health
from steno.http.ports import Port, ports_of
from steno.http.rates import Rate
from steno.service_links import service_links
from steno.settings import ServiceSettings, SettingsError
from steno.telemetry import logs, traces
from steno.tls_files import TlsFilesUnusable

log = structlog.get_logger("steno.chassis")

S = TypeVar("S", bound=ServiceSettings)

_GRACE_SECONDS = 5.0
"""Beyond its drain time, what a component may take to let go: commit, leave the group, close."""

_END_SECONDS = 3.0
"""How long the tasks may take to return once all components have stopped."""

_MANY_FILES = 10_240
"""As many as macOS lets a process have (`OPEN_MAX`), and enough for the calls of one process."""


class Component(Protocol):
    """A part of a service that works on its own until it is stopped."""

    async def run(self) -> None:
        """Works until `stop` is called; returning earlier or raising ends the process."""

    async def stop(self) -> None:
        """Finishes what is under way, in bounded time; `run` then returns."""


class After:
    """Runs a component once an event is set."""

    def __init__(self, event: asyncio.Event, component: Component) -> None:
        self._event = event
        self._component = component
        self._stopping = asyncio.Event()

    async def run(self) -> None:
        """Waits for the event, then works as the component does."""
        await until_stopped(self._event.wait(), self._stopping)
        if not self._stopping.is_set():
            await self._component.run()

    async def stop(self) -> None:
        """Stops the component, or the wait for the event."""
        self._stopping.set()
        await self._component.stop()


def _closed() -> Starlette:
    """An application that no key opens: it answers only what is answered without a key."""
    return Starlette(middleware=[Middleware(Gate, keys=ApiKeys(None), wrong_keys=Rate(60))])


@dataclass(kw_only=True)
class Wiring:
    """What a service's `build` returns: the parts that are run."""

    #: Routes of the service, behind a `Gate`; health and metrics are added to them.
    app: Starlette = field(default_factory=_closed)
    health: Health = field(default_factory=Health)
    #: In the order in which they are drained: doors first.
    components: Sequence[Component] = ()
    #: Options of `uvicorn.Config` beyond the chassis's own (`steno.http.websockets`); WebSockets are refused without.
    server_options: Mapping[str, Any] = field(default_factory=dict)
    #: Closed last, in reverse order: clients, pools, producers.
    resources: AsyncExitStack = field(default_factory=AsyncExitStack)


def run(settings_type: type[S], build: Callable[[S], Awaitable[Wiring]]) -> int:
    """Runs the process of a service from start to end; returns its exit status."""
    private_files.set_umask()
    try:
        settings = settings_module.read(settings_type)
    except SettingsError as error:
        print(error)  # noqa: T201 - logs are configured from the settings that could not be read
        return 2
    logs.configure(settings.telemetry, settings_type.service)
    traces.configure(settings.telemetry, settings_type.service)
    allow_many_files()
    try:
        return asyncio.run(serve(settings, build))
    finally:
        traces.shutdown()


def allow_many_files() -> None:
    """Lets this process have as many files open as it may allow itself, up to a bound.

    Each connection is one, and shells and systemd begin with 1,024.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = _MANY_FILES if hard == resource.RLIM_INFINITY else min(hard, _MANY_FILES)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


async def serve(settings: S, build: Callable[[S], Awaitable[Wiring]]) -> int:
    """Builds a service and runs it until it is told to stop; returns 0, or 1 if a part of it failed."""
    log.info("service.starting", settings=settings_module.masked(settings))
    if links := service_links(os.environ):
        log.info("settings.service_links_ignored", variables=sorted(links), services=sorted({*links.values()}))
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    try:
        wiring = await build(settings)
    except StenoError as error:
        # The message says what to do about it; how it came about in the code tells nobody more.
        log.error("service.cannot_start", error_class=error.error_class, reason=str(error))
        return 1
    # What stands now stands until the end. Looking through it again and again would hold the loop up for tens of milliseconds.
    gc.collect()
    gc.freeze()
    gc.enable()  # a service is imported without
    async with wiring.resources:
        try:
            ports = ports_of(settings, wiring.app, wiring.health, wiring.server_options)
        except TlsFilesUnusable as error:
            log.error("service.cannot_start", error_class=error.error_class, reason=str(error))
            return 1
        for port in ports:
            log.info("service.listening" if port is ports[0] else "service.listening_for_operators", url=port.url)
        running = {asyncio.create_task(port.serve()): port.name for port in ports}
        for component in wiring.components:
            running[asyncio.create_task(component.run())] = type(component).__name__
        stop_requested = asyncio.create_task(stopping.wait())
        await asyncio.wait({*running, stop_requested}, return_when=asyncio.FIRST_COMPLETED)
        stop_requested.cancel()
        failed = _report([task for task in running if task.done()], running)
        failed = await _drain(wiring, ports, running, settings.drain_seconds) or failed
    log.info("service.stopped", failed=failed)
    return 1 if failed else 0


async def _drain(wiring: Wiring, ports: Sequence[Port], running: dict[asyncio.Task[None], str], seconds: float) -> bool:
    """Stops the components in their order, then the HTTP servers; True where one took too long or failed meanwhile."""
    failed = False
    ended_early = [task for task in running if task.done()]
    wiring.health.drain()
    log.info("service.draining")
    for component in wiring.components:
        try:
            async with asyncio.timeout(seconds + _GRACE_SECONDS):
                await component.stop()
        except TimeoutError:
            log.error("service.drain_exceeded", component=type(component).__name__)
            failed = True
    for port in ports:
        port.server.should_exit = True
    ended, unfinished = await asyncio.wait(running, timeout=_END_SECONDS)
    for task in unfinished:
        log.error("service.drain_exceeded", component=running[task])
        task.cancel()
    broken = [task for task in ended.difference(ended_early) if task.exception() is not None]
    return _report(broken, running) or bool(unfinished) or failed


def _report(ended: Sequence[asyncio.Task[None]], names: dict[asyncio.Task[None], str]) -> bool:
    for task in ended:
        log.error("service.component_ended", component=names[task], exc_info=task.exception())
    return bool(ended)
