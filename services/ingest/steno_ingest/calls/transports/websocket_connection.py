"""Carries the messages of one call over a WebSocket, between an ASGI server and the driver of the call."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from steno.http.websockets import MAX_FRAME_BYTES
from steno_ingest.calls.doors.actions import Close, CloseReason, SendBytes, SendText
from steno_ingest.calls.hosting.driver import CallDriver
from steno_ingest.metrics import CALL_PEERS_CUT_OFF

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

CLOSE_CODES = {
    CloseReason.DONE: 1000,
    CloseReason.GOING_AWAY: 1001,
    CloseReason.PROTOCOL_ERROR: 1002,
    CloseReason.NOT_VALID: 1007,
    CloseReason.REFUSED: 1008,
    CloseReason.RESTARTING: 1012,
    CloseReason.TRY_AGAIN: 1013,
}
"""The WebSocket close codes (RFC 6455 §7.4.1 and its registry)."""

_TOO_BIG = 1009
"""The close code after a frame that is too large (RFC 6455 §7.4.1), which the server has sent."""

_CLOSED = (1000, 1001)
"""The close codes of a peer that has finished, or leaves."""

_MOST_CHARACTERS, _MOST_BYTES = 100, 120
"""The limits of the reason in a close frame, which has room for 123 bytes (RFC 6455 §5.5.1)."""


def close_message(close: Close) -> MutableMapping[str, Any]:
    """Makes the message that closes a connection (ASGI)."""
    reason = close.detail[:_MOST_CHARACTERS].encode()[:_MOST_BYTES].decode("utf-8", "ignore")
    return {"type": "websocket.close", "code": CLOSE_CODES[close.why], "reason": reason}


class WebSocketConnection:
    """Carries messages over an accepted WebSocket until one side closes it."""

    def __init__(self, driver: CallDriver, *, receive: Receive, send: Send) -> None:
        self._driver = driver
        self._receive = receive
        self._send = send

    async def run(self) -> None:
        """Works until the connection ends. Raises errors of the door."""
        await self._driver.run(self._read(), self._write())

    async def _read(self) -> None:
        while True:
            message = await self._receive()
            if message["type"] == "websocket.disconnect":
                if message.get("code") == _TOO_BIG and not self._driver.closing:
                    CALL_PEERS_CUT_OFF.labels(self._driver.door_name, "frame_too_big").inc()
                    self._driver.reject(f"a frame was larger than {MAX_FRAME_BYTES} bytes")
                self._driver.peer_closed = message.get("code") in _CLOSED
                return
            data = message.get("bytes")
            if data is not None:
                await self._driver.receive_bytes(data)
            else:
                await self._driver.receive_text(message["text"])

    async def _write(self) -> None:
        outgoing = self._driver.outgoing()
        try:
            while True:
                match await outgoing.get():
                    case SendText(text=text):
                        await self._send({"type": "websocket.send", "text": text})
                    case SendBytes(data=data):
                        await self._send({"type": "websocket.send", "bytes": data})
                    case Close() as close:
                        await self._send(close_message(close))
                        return
        except OSError:
            # The peer has disconnected (ASGI: send raises OSError then); the reader gets a message about it.
            return
