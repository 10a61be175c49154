"""The WebSocket protocol of a server: uvicorn's over the `websockets` library, but it also closes connections that hang."""

import asyncio
import socket
from collections.abc import Mapping
from typing import Any

from uvicorn._types import ASGISendEvent
from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import Frame

from steno.http.connections import Connection

#: The size limit of a frame, in bytes; a larger one closes the connection with 1009 (RFC 6455 §7.4.1).
MAX_FRAME_BYTES = 65_536

_LINGER_SECONDS = 5.0

_RECEIVE_BYTES = 65_536
"""The receive buffer of the kernel. Pings are answered only after the data in front of them is read, so a small buffer answers
them sooner when reading waits. It is large enough for the highest data rate of a call on the slowest connection."""

_MESSAGES_AHEAD = 4
"""How many messages may wait for the application before reading pauses."""


class WebSocketProtocol(WebSocketsSansIOProtocol):
    """uvicorn's protocol, but a peer receives the close code, and a finished connection does not wait for ever for its peer."""

    _discarding = False

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._link: Connection | None = self.app_state.get("connection")

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Called when the request for a WebSocket has arrived."""
        connection: socket.socket | None = transport.get_extra_info("socket")
        if connection is not None:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BYTES)
        super().connection_made(transport)

    def start_keepalive(self) -> None:
        """Called when the WebSocket is accepted."""
        super().start_keepalive()
        if self._link is not None:
            self._link.finish_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Called when the connection has ended."""
        if self._link is not None:
            self._link.remove()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Called with received data; it is discarded after an invalid frame."""
        if not self._discarding:
            super().data_received(data)

    async def send(self, message: ASGISendEvent) -> None:
        """Sends a message of the application; after an invalid frame of its peer nothing can be sent any more.

        Raises:
            ClientDisconnected: the peer is gone, or was disconnected because of such a frame.
        """
        if self._discarding:
            # uvicorn takes it for a fault of the application.
            raise ClientDisconnected
        await super().send(message)
        if message["type"] == "websocket.http.response.body" and not message.get("more_body", False):
            # uvicorn logs an error for each upgrade that is refused, however often a stranger tries.
            self.handshake_complete = True

    def handle_ping(self) -> None:
        """Answers a ping and counts it as a heartbeat of the peer."""
        super().handle_ping()
        self._heartbeat()

    def handle_pong(self, event: Frame) -> None:
        """Counts an unsolicited pong as a heartbeat (RFC 6455 §5.5.3). .NET sends them; the server itself sends no pings."""
        super().handle_pong(event)
        self._heartbeat()

    def _heartbeat(self) -> None:
        if self._link is not None:
            self._link.heartbeats += 1

    def send_receive_event_to_app(self) -> None:
        """Passes a complete message to the application."""
        if self.read_paused or self.queue.qsize() >= _MESSAGES_AHEAD:
            super().send_receive_event_to_app()
            return
        # Otherwise uvicorn would pause reading after each message and resume when it is taken: two system calls per message.
        self.read_paused = True
        super().send_receive_event_to_app()
        self.read_paused = False

    def handle_parser_exception(self) -> None:
        """Called when the peer violates the protocol, or sends a frame that is too large."""
        # If the connection closed while more data arrives, TCP would reset it, and the peer would not see the close code.
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
        """Called when the application is done; what it sent may still be written for a short time."""
        super().on_task_complete(task)
        # uvicorn's own `close` waits until everything is written, which never happens if the peer does not read.
        self.loop.call_later(_LINGER_SECONDS, self.transport.abort)


SERVER_OPTIONS: Mapping[str, Any] = {
    "ws": WebSocketProtocol,
    "ws_max_size": MAX_FRAME_BYTES,
    # While audio waits for Kafka the peer is not read, nor are its pongs. So doors detect idle peers themselves.
    "ws_ping_interval": None,
    # Audio does not compress well, and each connection would need memory for a compressor.
    "ws_per_message_deflate": False,
}
"""Options of `uvicorn.Config` for `steno.chassis.Wiring.server_options`."""
