"""Opens the ports of a service: one for clients, and one for operators if the settings name it."""

import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from starlette.applications import Starlette

from steno.http.admin import move_to_admin_port
from steno.http.connections import Bounds
from steno.http.health import Health
from steno.http.server import Server, possible_connections
from steno.http.tls import TlsFiles
from steno.settings import ServiceSettings

_ADMIN_CONNECTIONS = 64


@dataclass(frozen=True, kw_only=True, slots=True)
class Port:
    """A server and its listening socket."""

    name: str
    server: Server
    listening: socket.socket
    url: str

    async def serve(self) -> None:
        """Serves until the server is told to exit."""
        await self.server.serve(sockets=[self.listening])


def ports_of(settings: ServiceSettings, app: Starlette, health: Health, options: Mapping[str, Any]) -> list[Port]:
    """Opens the ports. The operators' routes are added to the application, or moved to the operators' port.

    Raises:
        steno.tls_files.TlsFilesUnusable: the TLS files of the settings cannot be used.
        OSError: a port cannot be opened.
    """
    tls = _tls(settings, settings.tls_client_ca_file)
    host, most = settings.http_host, possible_connections(settings.max_connections)
    if settings.admin_port is None:
        app.router.routes.extend(health.routes())
        return [_port("http", settings, host, settings.http_port, app, most, tls, options)]
    admin = move_to_admin_port(app, health)
    # Probes and scrapers have no client certificates.
    admin_tls = _tls(settings, None)
    return [
        _port("http", settings, host, settings.http_port, app, most, tls, options),
        _port("admin", settings, settings.admin_host, settings.admin_port, admin, _ADMIN_CONNECTIONS, admin_tls, {}),
    ]


def _port(
    name: str,
    settings: ServiceSettings,
    host: str,
    number: int,
    app: Starlette,
    most: int,
    tls: TlsFiles | None,
    options: Mapping[str, Any],
) -> Port:
    server = Server(
        app,
        Bounds(
            most=most,
            most_of_an_address=settings.max_connections_per_address,
            head_seconds=settings.head_seconds,
            min_bytes_per_second=settings.min_bytes_per_second,
        ),
        keep_alive_seconds=settings.keep_alive_seconds,
        drain_seconds=settings.drain_seconds,
        trusted_proxies=settings.trusted_proxies,
        tls=None if tls is None else tls.context,
        options=options,
    )
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.create_server((host, number), family=family)
    address, bound = listening.getsockname()[:2]
    shown = f"[{address}]" if ":" in address else address
    return Port(name=name, server=server, listening=listening, url=f"{'http' if tls is None else 'https'}://{shown}:{bound}")


def _tls(settings: ServiceSettings, client_authority: Path | None) -> TlsFiles | None:
    certificate = settings.tls_certificate_file
    if certificate is None:
        return None
    return TlsFiles(certificate, settings.tls_key_file or certificate, client_authority)
