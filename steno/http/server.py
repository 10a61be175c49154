"""The HTTP server of every service: uvicorn with limits on its connections."""

import asyncio
import resource
import socket
import ssl
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from ipaddress import ip_address
from typing import Any

import structlog
import uvicorn
from starlette.types import ASGIApp

from steno.http.addresses import Network
from steno.http.connections import Bounds, Connection, Connections
from steno.http.listener import Listener
from steno.http.protocol import MAX_HEAD_BYTES, HttpProtocol

log = structlog.get_logger("steno.http")

_TICKS = 5
"""Ticks of uvicorn (0.1 s each) between two checks for slow connections."""

_OTHER_FILES = 256
"""File descriptors that a process needs besides its connections: databases, Kafka, uploads, logs."""


class Server(uvicorn.Server):
    """uvicorn with our listeners and without signal handlers: the chassis drains the components before it stops the server."""

    def __init__(
        self,
        app: ASGIApp,
        bounds: Bounds,
        *,
        keep_alive_seconds: float,
        drain_seconds: float,
        trusted_proxies: Sequence[Network] = (),
        tls: Callable[[], ssl.SSLContext] | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        """
        Args:
            keep_alive_seconds: How long a connection may be idle between two requests.
            trusted_proxies: Proxies whose `X-Forwarded-For` is believed; they have no limit per address.
            tls: Returns the TLS context for a new connection; None for a server without TLS.
            options: Options of `uvicorn.Config`. WebSockets are refused unless an option sets their protocol.
        """
        super().__init__(
            uvicorn.Config(
                app,
                http=HttpProtocol,
                log_config=None,
                access_log=False,
                server_header=False,
                timeout_keep_alive=keep_alive_seconds,  # type: ignore[arg-type]
                timeout_graceful_shutdown=max(1, int(drain_seconds)),
                proxy_headers=bool(trusted_proxies),
                forwarded_allow_ips=[str(network) for network in trusted_proxies],
                h11_max_incomplete_event_size=MAX_HEAD_BYTES,
                **{"ws": "none", "lifespan": "on", **(options or {})},
            )
        )

        def trusted(host: str) -> bool:
            address = ip_address(host.partition("%")[0])
            return any(address in network for network in trusted_proxies)

        self.connections = Connections(bounds, exempt=trusted if trusted_proxies else lambda _: False)
        self._tls = tls
        self._listeners: list[Listener] = []

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Starts accepting connections from these sockets."""
        await super().startup(sockets=[])
        for listening in sockets or ():
            listener = Listener(listening, self._protocol, self.connections, tls=self._tls)
            listener.start()
            self._listeners.append(listener)

    async def on_tick(self, counter: int) -> bool:
        """Called every tenth of a second."""
        if counter % _TICKS == 0:
            self.connections.tick()
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stops accepting connections, and waits for requests in progress."""
        for listener in self._listeners:
            listener.stop()
        await super().shutdown(sockets=[])

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    def _protocol(self, connection: Connection) -> asyncio.Protocol:
        state = {**self.lifespan.state, "connection": connection}
        return HttpProtocol(config=self.config, server_state=self.server_state, app_state=state)


def possible_connections(wanted: int) -> int:
    """Returns how many connections are possible: `wanted`, or fewer if the limit of open files is low."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return wanted
    possible = max(soft - _OTHER_FILES, soft // 2)
    if possible < wanted:
        log.warning("http.few_files", connections=possible, wanted=wanted, open_files=soft)
    return min(wanted, possible)
