"""The HTTP/1.1 protocol of every service: uvicorn's over h11, with bounds on what a peer may send before it is known.

```
     ┌──────────────── next request ───────────────┐
     ▼                                             │
   head ──complete──▶ held ──the service asks──▶ body ──answered──▶ (linger) ──▶ closed
     └ too large, slow ─▶ refused    └ answered without asking: the rest is thrown away unread ┘
```

h11 is given the head alone. What follows is kept as bytes, a little of it, until the service asks for the body: chunks of one
byte each would cost more to take apart than to send.
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
"""Of a request's line and headers together."""

MAX_LINE_BYTES = 8_190
"""Of one line of it; `websockets` takes no longer one."""

MAX_HEADERS = 100

_MOST_HELD = 65_536
"""Of a body that nobody has asked for yet; then nothing more is read from the socket."""

_SLICE_BYTES = 16_384
"""Of a chunked body that are taken apart at a time."""

_LEAST_CONTENT = 0.8
"""How much of a chunked body must be content: each chunk takes h11 as long as a kilobyte."""

_LINGER_SECONDS = 2.0
"""How long what nobody wants is thrown away: closed at once, TCP would reset the connection before its answer is read."""

# Its warnings are about what unauthenticated clients send: one a line of the log would let them fill a disk. Errors are the
# service's own.
_LOGGER = logging.getLogger("uvicorn.error.requests")
_LOGGER.setLevel(logging.ERROR)

_BLANK_LINE = re.compile(rb"\n\r?\n")

_TOO_CHOPPED = Problem(status=400, kind="chunks", detail="the body comes in chunks of a few bytes; send larger ones")
_TOO_SLOW = Problem(status=408, kind="too_slow", detail="the request came too slowly; send it again, faster")


class _Stage(Enum):
    """What is read now."""

    HEAD = auto()
    HELD = auto()
    BODY = auto()
    NOTHING = auto()


class HttpProtocol(H11Protocol):
    """One connection. `app_state["connection"]` is its `Connection`, and gets into every scope."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.logger = _LOGGER
        self._link: Connection = self.app_state["connection"]
        self._stage = _Stage.HEAD
        self._head = bytearray()
        self._held = bytearray()
        #: Of the body that comes now: its bytes as they came, and what of them is content.
        self._received = self._handed_on = 0
        self._chunked = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """It is accepted, and its TLS agreed on."""
        super().connection_made(transport)
        self._socket = transport
        self.transport = cast(asyncio.Transport, _Transport(transport, self))
        self.flow = _Flow(transport, self._asked)
        self._link.close = transport.abort
        self._link.expire = self._expire

    def connection_lost(self, exc: Exception | None) -> None:
        """It is over."""
        self._link.remove()
        self._stage = _Stage.NOTHING
        self._held.clear()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """More came in."""
        if self._stage is _Stage.BODY:
            self._take_body(data)
        elif self._stage is _Stage.HEAD:
            self._take_head(data)
        elif self._stage is _Stage.HELD:
            self._held += data
            if len(self._held) > _MOST_HELD:
                self.flow.pause_reading()

    def pause_writing(self) -> None:
        """The peer reads more slowly than it is answered."""
        super().pause_writing()
        size = self._socket.get_write_buffer_size()
        self._link.start_pace("slow_reader", lambda: size - self._socket.get_write_buffer_size())

    def resume_writing(self) -> None:
        """The peer has read."""
        super().resume_writing()
        self._link.stop_pace("slow_reader")

    def on_response_complete(self) -> None:
        """The request is answered, and the connection stays."""
        if self.conn.their_state is h11.SEND_BODY:
            self._linger()
        super().on_response_complete()
        if self.leaving:
            return
        self._stage, self._link.idle = _Stage.HEAD, True
        if self._held:
            data = bytes(self._held)
            self._held.clear()
            self._take_head(data)

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        """What comes from here on is for the protocol of the WebSocket."""
        self.transport = self._socket
        # Until its door has decided.
        self._link.start_head()
        self._link.expire = lambda _why: self._socket.abort()
        self._stage = _Stage.NOTHING
        super().handle_websocket_upgrade(event)

    def send_400_response(self, msg: str) -> None:
        """The request is no HTTP."""
        self._refuse(Problem(status=400, kind="http_400", detail=f"the request is no HTTP/1.1 that can be read: {msg}"))

    def _unsupported_upgrade_warning(self) -> None:
        """The request is answered as if nothing had been said of it."""

    def shutdown(self) -> None:
        """The service stops."""
        try:
            super().shutdown()
        except h11.LocalProtocolError:
            self._socket.abort()

    def _take_head(self, data: bytes) -> None:
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
        self._received = self._handed_on = 0
        self._chunked = False
        super().data_received(head)

    def _asked(self) -> None:
        """The service asks for the body, or for what comes behind it."""
        if self._stage is not _Stage.HELD or self.conn.their_state is not h11.SEND_BODY or self.cycle.response_complete:
            return
        self._stage = _Stage.BODY
        self._chunked = any(name == b"transfer-encoding" for name, _ in self.headers)
        self._link.start_pace("slow_body", lambda: -1 if self.flow.read_paused else self._received)
        if self._held:
            data = bytes(self._held)
            self._held.clear()
            self.data_received(data)

    def _take_body(self, data: bytes) -> None:
        # Slices for chunks only: of a body with a length each piece is handed on as it comes.
        step = _SLICE_BYTES if self._chunked else len(data)
        for start in range(0, len(data), step):
            piece, held = data[start : start + step], len(self.cycle.body)
            self._received += len(piece)
            super().data_received(piece)
            if self._stage is not _Stage.BODY:
                return
            self._handed_on += len(self.cycle.body) - held
            if self.conn.their_state is not h11.SEND_BODY:
                self._held += data[start + step :]
                self._has_body()
                return
            if self._chunked and self._received > _SLICE_BYTES and self._handed_on < _LEAST_CONTENT * self._received:
                self._refuse(_TOO_CHOPPED)
                return

    def _has_body(self) -> None:
        self._stage = _Stage.HELD
        self._link.stop_pace("slow_body")
        if self.conn.trailing_data[0]:
            # A further request behind the body, in h11's hands already: its peer is to send it again, where it is looked at.
            self.cycle.keep_alive = False

    def _expire(self, why: str) -> None:
        """The peer is too slow."""
        if why == "slow_reader" or (why == "slow_head" and not self._head):
            self._socket.abort()
        else:
            self._refuse(_TOO_SLOW)

    def _refuse(self, problem: Problem) -> None:
        """Answers what is no request, or does not get to be one, and lets the connection go."""
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
            # An answer is under way already.
            self._socket.abort()
            return
        self._socket.write(b"".join(part for part in output if part))
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        self._linger()

    @property
    def leaving(self) -> bool:
        """Whether nothing more is said or listened to."""
        return self._stage is _Stage.NOTHING or self._socket.is_closing()

    def close(self) -> None:
        """The last answer is written."""
        if self.conn.their_state is h11.SEND_BODY:
            self._linger()
        elif self._stage is not _Stage.NOTHING:
            self._socket.close()

    def _linger(self) -> None:
        """Throws away what still comes, for a little while."""
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
        return Problem(status=414, kind="url", detail=f"the request's line is longer than {MAX_LINE_BYTES} bytes")
    if len(head) > MAX_HEAD_BYTES or len(lines) > MAX_HEADERS + 3 or max(map(len, lines)) > MAX_LINE_BYTES:
        return Problem(
            status=431,
            kind="headers",
            detail=f"the headers are more than {MAX_HEADERS}, larger than {MAX_HEAD_BYTES} bytes, or one than {MAX_LINE_BYTES}",
        )
    return None


class _Flow(FlowControl):
    """uvicorn's, which also tells when the service asks for more."""

    def __init__(self, transport: asyncio.Transport, asked: Callable[[], None]) -> None:
        super().__init__(transport)
        self._asked = asked

    def resume_reading(self) -> None:
        """The service takes more."""
        super().resume_reading()
        self._asked()


class _Transport:
    """The socket for uvicorn, but closing it is left to the protocol."""

    def __init__(self, transport: asyncio.Transport, protocol: HttpProtocol) -> None:
        self._transport = transport
        self._protocol = protocol
        self.write = transport.write
        self.close = protocol.close

    def is_closing(self) -> bool:
        """Whether nothing more is to be written."""
        return self._protocol.leaving

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)
