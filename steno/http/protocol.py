"""The HTTP/1.1 protocol of every service: uvicorn's over h11, with limits on what a client may send unauthenticated.

```
     ┌──────────────── next request ───────────────┐
     ▼                                             │
   head ──complete──▶ held ──the service reads──▶ body ──answered──▶ (linger) ──▶ closed
     └ too large, slow ─▶ refused    └ answered without reading: the rest is discarded ┘
```

h11 gets only the head at first. The bytes after it are kept, up to a small limit, until the service reads the body: parsing
chunks of one byte each would cost the server more than it costs the client to send them.
"""

import asyncio
import logging
import re
from collections.abc import Callable
from enum import Enum, auto
from http import HTTPStatus
from typing import Any, cast

import h11
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.h11_impl import H11Protocol

from steno.http.connections import Connection
from steno.http.problems import Problem

MAX_HEAD_BYTES = 32_768
"""The size limit of a request's line and headers together."""

MAX_LINE_BYTES = 8_190
"""The size limit of one of these lines; `websockets` accepts none longer."""

MAX_HEADERS = 100

_MAX_HELD_BYTES = 65_536
"""The size limit of a body that the service does not read yet; above it nothing more is read from the socket."""

_SLICE_BYTES = 16_384
"""The size of the pieces in which a chunked body is parsed."""

_MIN_CONTENT_SHARE = 0.8
"""The smallest allowed share of content in a chunked body: each chunk takes h11 as long as a kilobyte of content."""

_LINGER_SECONDS = 2.0
"""How long further data is read and discarded: an immediate close would reset the connection before the client has read the
response."""

# Its warnings are about input of unauthenticated clients, who could fill a disk with them. Its errors are about the service.
_LOGGER = logging.getLogger("uvicorn.error.requests")
_LOGGER.setLevel(logging.ERROR)

_BLANK_LINE = re.compile(rb"\n\r?\n")

_CHUNKS_TOO_SMALL = Problem(status=400, kind="chunks", detail="the chunks of the body are too small; send larger ones")
_TOO_SLOW = Problem(status=408, kind="too_slow", detail="the request came too slowly; send it again, faster")


class _Stage(Enum):
    """The part of a request that is being read."""

    HEAD = auto()
    HELD = auto()
    BODY = auto()
    NOTHING = auto()


class HttpProtocol(H11Protocol):
    """One connection. `app_state["connection"]` is its `Connection`, which is in the state of every ASGI scope."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.logger = _LOGGER
        self._link: Connection = self.app_state["connection"]
        self._stage = _Stage.HEAD
        self._head = bytearray()
        self._held = bytearray()
        #: Bytes of the current body as received, and how many of them are content.
        self._received = self._content_bytes = 0
        self._chunked = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Called when the connection is accepted and its TLS handshake is complete."""
        super().connection_made(transport)
        self._socket = transport
        self.transport = cast(asyncio.Transport, _Transport(transport, self))
        self.flow = _Flow(transport, self._service_reads)
        self._link.close = transport.abort
        self._link.expire = self._expire

    def connection_lost(self, exc: Exception | None) -> None:
        """Called when the connection has ended."""
        self._link.remove()
        self._stage = _Stage.NOTHING
        self._held.clear()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Called with received data."""
        if self._stage is _Stage.BODY:
            self._read_body(data)
        elif self._stage is _Stage.HEAD:
            self._read_head(data)
        elif self._stage is _Stage.HELD:
            self._held += data
            if len(self._held) > _MAX_HELD_BYTES:
                self.flow.pause_reading()

    def pause_writing(self) -> None:
        """Called when the client reads more slowly than the response is sent."""
        super().pause_writing()
        size = self._socket.get_write_buffer_size()
        self._link.start_pace("slow_reader", lambda: size - self._socket.get_write_buffer_size())

    def resume_writing(self) -> None:
        """Called when the client has caught up with reading."""
        super().resume_writing()
        self._link.stop_pace("slow_reader")

    def on_response_complete(self) -> None:
        """Called when a response is complete and the connection stays open."""
        if self.conn.their_state is h11.SEND_BODY:
            self._linger()
        super().on_response_complete()
        if self.leaving:
            return
        self._stage, self._link.idle = _Stage.HEAD, True
        if self._held:
            data = bytes(self._held)
            self._held.clear()
            self._read_head(data)

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        """Passes the connection to the WebSocket protocol."""
        self.transport = self._socket
        # The time limit of the head goes on until the WebSocket is accepted.
        self._link.start_head()
        self._link.expire = lambda _why: self._socket.abort()
        self._stage = _Stage.NOTHING
        super().handle_websocket_upgrade(event)

    def send_400_response(self, msg: str) -> None:
        """Answers a request that is not valid HTTP."""
        self._refuse(Problem(status=400, kind="http_400", detail=f"the request is not valid HTTP/1.1: {msg}"))

    def _unsupported_upgrade_warning(self) -> None:
        """Does nothing: a request for an unsupported upgrade is answered as if it asked for none."""

    def shutdown(self) -> None:
        """Called when the service stops."""
        try:
            super().shutdown()
        except h11.LocalProtocolError:
            self._socket.abort()

    def _read_head(self, data: bytes) -> None:
        if not self._head:
            self._unset_keepalive_if_required()
            if self.cycle is not None:
                self._link.start_head()
        seen = len(self._head)
        self._head += data
        end = _BLANK_LINE.search(self._head, max(0, seen - 2))
        if end is None and len(self._head) <= MAX_HEAD_BYTES:
            return
        head = bytes(self._head[: end.end()] if end is not None else self._head)
        if (problem := _too_large(head)) is not None:
            self._refuse(problem)
            return
        self._held += self._head[len(head) :]
        self._head.clear()
        self._link.finish_head()
        self._stage = _Stage.HELD
        self._received = self._content_bytes = 0
        self._chunked = False
        super().data_received(head)

    def _service_reads(self) -> None:
        """Called when the service reads the body, or is ready for more data after it."""
        if self._stage is not _Stage.HELD or self.conn.their_state is not h11.SEND_BODY or self.cycle.response_complete:
            return
        self._stage = _Stage.BODY
        self._chunked = any(name == b"transfer-encoding" for name, _ in self.headers)
        self._link.start_pace("slow_body", lambda: -1 if self.flow.read_paused else self._received)
        if self._held:
            data = bytes(self._held)
            self._held.clear()
            self.data_received(data)

    def _read_body(self, data: bytes) -> None:
        # Only a chunked body is sliced. A body with a length is passed on as it arrives.
        step = _SLICE_BYTES if self._chunked else len(data)
        for start in range(0, len(data), step):
            piece, held = data[start : start + step], len(self.cycle.body)
            self._received += len(piece)
            super().data_received(piece)
            if self._stage is not _Stage.BODY:
                return
            self._content_bytes += len(self.cycle.body) - held
            if self.conn.their_state is not h11.SEND_BODY:
                self._held += data[start + step :]
                self._finish_body()
                return
            if self._chunked and self._received > _SLICE_BYTES and self._content_bytes < _MIN_CONTENT_SHARE * self._received:
                self._refuse(_CHUNKS_TOO_SMALL)
                return

    def _finish_body(self) -> None:
        self._stage = _Stage.HELD
        self._link.stop_pace("slow_body")
        if self.conn.trailing_data[0]:
            # h11 has already read a part of the next request, past our limits on heads. Closing makes the client send it again.
            self.cycle.keep_alive = False

    def _expire(self, why: str) -> None:
        """Closes the connection of a client that is too slow."""
        if why == "slow_reader" or (why == "slow_head" and not self._head):
            self._socket.abort()
        else:
            self._refuse(_TOO_SLOW)

    def _refuse(self, problem: Problem) -> None:
        """Answers an invalid or incomplete request with a problem, and ends the connection."""
        body = problem.body()
        headers = [*self.server_state.default_headers, *problem.response_headers(body, close=True)]
        phrase = HTTPStatus(problem.status).phrase
        try:
            output = [
                self.conn.send(h11.Response(status_code=problem.status, headers=headers, reason=phrase)),
                self.conn.send(h11.Data(data=body)),
                self.conn.send(h11.EndOfMessage()),
            ]
        except h11.LocalProtocolError:
            # A response is already being sent.
            self._socket.abort()
            return
        self._socket.write(b"".join(part for part in output if part))
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        self._linger()

    @property
    def leaving(self) -> bool:
        """Whether nothing more is written or read."""
        return self._stage is _Stage.NOTHING or self._socket.is_closing()

    def close(self) -> None:
        """Called when the last response is written."""
        if self.conn.their_state is h11.SEND_BODY:
            self._linger()
        elif self._stage is not _Stage.NOTHING:
            self._socket.close()

    def _linger(self) -> None:
        """Discards further data for a short time, then closes the connection."""
        if self._stage is _Stage.NOTHING:
            return
        self._stage = _Stage.NOTHING
        self._head.clear()
        self._held.clear()
        self._link.finish_head()
        self._link.stop_pace("slow_body")
        self.flow.read_paused, paused = False, self.flow.read_paused
        if paused:
            self._socket.resume_reading()
        if self._socket.can_write_eof():
            self._socket.write_eof()
        self.loop.call_later(_LINGER_SECONDS, self._socket.abort)


def _too_large(head: bytes) -> Problem | None:
    lines = head.split(b"\n")
    if len(lines[0]) > MAX_LINE_BYTES:
        return Problem(status=414, kind="url", detail=f"the request line is longer than {MAX_LINE_BYTES} bytes")
    if len(head) > MAX_HEAD_BYTES or len(lines) > MAX_HEADERS + 3 or max(map(len, lines)) > MAX_LINE_BYTES:
        return Problem(
            status=431,
            kind="headers",
            detail=f"there are more than {MAX_HEADERS} headers, all are larger than {MAX_HEAD_BYTES} bytes, or one is larger "
            f"than {MAX_LINE_BYTES} bytes",
        )
    return None


class _Flow(FlowControl):
    """uvicorn's flow control, which also reports when the service reads on."""

    def __init__(self, transport: asyncio.Transport, service_reads: Callable[[], None]) -> None:
        super().__init__(transport)
        self._service_reads = service_reads

    def resume_reading(self) -> None:
        """Called when the service is ready for more data."""
        super().resume_reading()
        self._service_reads()


class _Transport:
    """The transport that uvicorn sees; it leaves closing to the protocol."""

    def __init__(self, transport: asyncio.Transport, protocol: HttpProtocol) -> None:
        self._transport = transport
        self._protocol = protocol
        self.write = transport.write
        self.close = protocol.close

    def is_closing(self) -> bool:
        """Whether nothing more is written."""
        return self._protocol.leaving

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)
