"""The WebSocket protocol of a server: uvicorn's over the `websockets` library, which closes connections that hang."""

import asyncio
import socket
from collections.abc import Mapping
from typing import Any

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import Frame

from steno.http.connections import Connection

#: The largest frame that is taken, bytes; behind a larger one the connection is closed with 1009 (RFC 6455 §7.4.1).
MAX_FRAME_BYTES = 65_536

_LINGER_SECONDS = 5.0

_RECEIVE_BYTES = 65_536
"""What the kernel may take ahead of us. A peer that is made to wait has its pings answered behind what it has sent: the less of
that lies in between, the sooner. It is enough for the most that a call has, over the longest line."""

_MESSAGES_AHEAD = 4
"""Messages that may wait for the application before nothing more is read."""


class WebSocketProtocol(WebSocketsSansIOProtocol):
    """uvicorn's, but a peer learns why it was closed, and a connection that is done does not wait for ever for its peer."""

    _discarding = False

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._link: Connection | None = self.app_state.get("connection")

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """The request for a WebSocket has come."""
        connection: socket.socket | None = transport.get_extra_info("socket")
        if connection is not None:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BYTES)
        super().connection_made(transport)

    def start_keepalive(self) -> None:
        """Its door has let it in."""
        super().start_keepalive()
        if self._link is not None:
            self._link.finish_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """It is over."""
        if self._link is not None:
            self._link.remove()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """More came in; behind what is no frame of this protocol nothing is looked at."""
        if not self._discarding:
            super().data_received(data)

    def handle_ping(self) -> None:
        """The peer asks for a sign of life, and gives one."""
        super().handle_ping()
        self._heartbeat()

    def handle_pong(self, event: Frame) -> None:
        """The peer gives a sign of life that nobody asked for (RFC 6455 §5.5.3), as .NET does: we send no pings."""
        super().handle_pong(event)
        self._heartbeat()

    def _heartbeat(self) -> None:
        if self._link is not None:
            self._link.heartbeats += 1

    def send_receive_event_to_app(self) -> None:
        """A message is complete."""
        if self.read_paused or self.queue.qsize() >= _MESSAGES_AHEAD:
            super().send_receive_event_to_app()
            return
        # Not told so, uvicorn would pause behind each message and resume once it is taken: two system calls for every one.
        self.read_paused = True
        super().send_receive_event_to_app()
        self.read_paused = False

    def handle_parser_exception(self) -> None:
        """The peer broke the protocol, or sent a frame that is too large."""
        # Closed while more of it is on its way, TCP would reset the connection, and the peer not see the code.
        self._discarding = True
        closed = self.conn.close_sent
        assert closed is not None
        self.queue.put_nowait({"type": "websocket.disconnect", "code": closed.code, "reason": closed.reason})
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_sent = True
        if self.read_paused:
            self.read_paused = False
            self.transport.resume_reading()
        self.close_timer = self.loop.call_later(_LINGER_SECONDS, self.transport.close)

    def on_task_complete(self, task: asyncio.Task[None]) -> None:
        """The application is done: what it sent has a little time left."""
        super().on_task_complete(task)
        # Its own `close` waits until all is written, which a peer that does not read never lets happen.
        self.loop.call_later(_LINGER_SECONDS, self.transport.abort)


SERVER_OPTIONS: Mapping[str, Any] = {
    "ws": WebSocketProtocol,
    "ws_max_size": MAX_FRAME_BYTES,
    # A peer whose audio waits for Kafka is not read, so its pongs are not either: doors look for idle peers themselves.
    "ws_ping_interval": None,
    # Audio does not shrink, and each connection would have a compressor's memory.
    "ws_per_message_deflate": False,
}
"""Options of `uvicorn.Config` for `steno.chassis.Wiring.server_options`."""
