"""The upgrade request of a WebSocket, and its refusal, for doors whose peers connect by HTTP. Pure."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from steno_ingest.calls.doors.port import AcceptedPeer


@dataclass(frozen=True, slots=True, kw_only=True)
class Upgrade:
    """The request of a peer for a WebSocket, as received."""

    #: Always GET (RFC 6455 §4.1).
    method: str
    #: The path as in the request line, percent-encoded.
    path: str
    #: The query after the `?`; empty if there is none.
    query: str
    #: The headers by lower-case name; values of a repeated header are joined by ", " (RFC 9110 §5.3).
    headers: Mapping[str, str]
    #: The `Host` header.
    host: str
    #: The address of the peer, or of the proxy in front of it; empty if unknown.
    client: str = ""


class UpgradeRefused(Exception):
    """The upgrade is refused, and answered with an HTTP status."""

    def __init__(
        self,
        status: int,
        reason: str,
        *,
        delay_seconds: float = 0,
        retry_seconds: int = 0,
        event: str = "",
        details: Mapping[str, str] | None = None,
        by_close: bool = False,
    ) -> None:
        """
        Args:
            status: 401, 400, 503, ...
            reason: The reason, for the person who set up the peer; the body of the response.
            delay_seconds: How long the response is delayed, against guessing.
            retry_seconds: When to try again; 0 if unknown.
            event: The log event; empty if nothing is logged. The server logs it instead of the door, so that the rate limit of
                wrong keys also limits the log lines.
            details: Further values for the log, which are shortened.
            by_close: Whether the connection is accepted, and closed with the reason at once: for peers that show their users
                the reason of a close frame, but no body of a response.
        """
        super().__init__(reason)
        self.status, self.reason, self.delay_seconds, self.retry_seconds = status, reason, delay_seconds, retry_seconds
        self.event, self.details, self.by_close = event, details or {}, by_close


DoorFactory = Callable[[Upgrade], AcceptedPeer]
"""Authenticates the peer of one connection and makes its door. Raises `UpgradeRefused`; does not block."""
