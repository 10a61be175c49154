"""Accepts connections from a listening socket, up to a limit.

asyncio's own server is not used: it accepts up to `backlog` connections at once, makes a transport for each before it can be
refused, and does not report that the process has no file descriptors left.
"""

import asyncio
import errno
import socket
import ssl
from collections.abc import Callable

import structlog

from steno.http.connections import Connection, Connections
from steno.http.metrics import CLOSED

log = structlog.get_logger("steno.http")

_AT_ONCE = 64
"""Connections accepted before other tasks of the event loop run."""

_BACKLOG = 2048
"""Connections that the kernel queues until they are accepted."""

_OUT_OF_FILES = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
_PAUSE_SECONDS = 0.1
_SHED = 32
"""Connections that are closed when no file descriptor is left: logs, databases and Kafka need some too."""

_TLS_SHUTDOWN_SECONDS = 5.0

Factory = Callable[[Connection], asyncio.Protocol]


class Listener:
    """One listening socket."""

    def __init__(
        self,
        listening: socket.socket,
        factory: Factory,
        connections: Connections,
        *,
        tls: Callable[[], ssl.SSLContext] | None,
    ) -> None:
        """
        Args:
            tls: Returns the TLS context for a new connection; None for a socket without TLS.
        """
        self._socket = listening
        self._factory = factory
        self._connections = connections
        self._tls = tls
        self._loop = asyncio.get_running_loop()
        self._connecting: set[asyncio.Task[None]] = set()
        self._pause: asyncio.TimerHandle | None = None
        self._logged_out_of_files = False

    def start(self) -> None:
        """Starts accepting connections."""
        self._socket.setblocking(False)
        self._socket.listen(_BACKLOG)
        self._loop.add_reader(self._socket.fileno(), self._accept)

    def stop(self) -> None:
        """Stops accepting connections, and closes the socket."""
        if self._pause is not None:
            self._pause.cancel()
        self._loop.remove_reader(self._socket.fileno())
        self._socket.close()
        for task in self._connecting:
            task.cancel()

    def _accept(self) -> None:
        for _ in range(_AT_ONCE):
            try:
                accepted, address = self._socket.accept()
            except (BlockingIOError, InterruptedError):
                return
            except OSError as error:
                if error.errno in _OUT_OF_FILES:
                    self._free_files()
                    return
                # An error of this connection before it was accepted (accept(2), "Error handling") does not affect others.
                continue
            self._logged_out_of_files = False
            connection = self._connections.admit(str(address[0]))
            if connection is None:
                accepted.close()
                continue
            accepted.setblocking(False)
            # asyncio sets it only on sockets that were created with an explicit protocol. Without it the second of two writes
            # (a body after its head, a message after another) waits 40 ms for the peer's acknowledgement of the first.
            accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            task = self._loop.create_task(self._connect(accepted, connection))
            connection.close = task.cancel  # type: ignore[assignment]
            self._connecting.add(task)
            task.add_done_callback(self._connecting.discard)

    async def _connect(self, accepted: socket.socket, connection: Connection) -> None:
        tls = self._tls() if self._tls is not None else None
        connected = False
        try:
            await self._loop.connect_accepted_socket(
                lambda: self._factory(connection),
                accepted,
                ssl=tls,
                ssl_handshake_timeout=None if tls is None else self._connections.bounds.head_seconds,
                ssl_shutdown_timeout=None if tls is None else _TLS_SHUTDOWN_SECONDS,
            )
            connected = True
        except OSError:
            # The client disconnected, or the TLS handshake failed.
            CLOSED.labels("handshake").inc()
        finally:
            if not connected:
                connection.remove()
                accepted.close()

    def _free_files(self) -> None:
        """Frees file descriptors when none is left: closes the oldest unauthenticated connections, and pauses accepting."""
        if not self._logged_out_of_files:
            self._logged_out_of_files = True
            log.warning(
                "http.out_of_files", connections=len(self._connections), unauthenticated=self._connections.unauthenticated
            )
        for _ in range(_SHED):
            if not self._connections.make_room():
                break
        self._loop.remove_reader(self._socket.fileno())
        self._pause = self._loop.call_later(_PAUSE_SECONDS, self._loop.add_reader, self._socket.fileno(), self._accept)
