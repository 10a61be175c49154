"""WebSockets for a service that has doors: uvicorn's protocol over the `websockets` library, with a peer that hangs cut off."""

import asyncio
from collections.abc import Mapping
from typing import Any

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

#: The largest frame that is taken, bytes; behind a larger one the connection is closed with 1009 (RFC 6455 §7.4.1).
MAX_FRAME_BYTES = 65_536

_LINGER_SECONDS = 5.0


class WebSocketProtocol(WebSocketsSansIOProtocol):
    """uvicorn's, but a connection whose application is done does not wait for ever for its peer to read the rest."""

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
