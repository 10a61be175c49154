"""The entrance of doors whose peers connect by HTTP, as a WebSocket does: the request, and its refusal. Pure."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from steno_ingest.calls.doors.port import Entered


@dataclass(frozen=True, slots=True, kw_only=True)
class Upgrade:
    """The request by which a peer asks for a WebSocket, as it came."""

    #: Always GET (RFC 6455 §4.1).
    method: str
    #: Path as it stands in the request line, percent-encoding untouched.
    path: str
    #: What stands behind the `?`; empty where there is none.
    query: str
    #: By lower-case name; of a header that came several times, all values joined by ", " (RFC 9110 §5.3).
    headers: Mapping[str, str]
    #: The `Host` header.
    host: str
    #: Address of the peer, or of the proxy before it; empty where it is not known.
    client: str = ""


class UpgradeRefused(Exception):
    """The peer may not open this door: the upgrade is answered with an HTTP status, and there is no WebSocket."""

    def __init__(
        self,
        status: int,
        reason: str,
        *,
        delay_seconds: float = 0,
        retry_seconds: int = 0,
        event: str = "",
        details: Mapping[str, str] | None = None,
    ) -> None:
        """
        Args:
            status: 401, 400, 503, ...
            reason: What was wrong, for the person who set up the peer; the body of the answer.
            delay_seconds: How long the answer is held back, against guessing.
            retry_seconds: When it may be tried again; 0 where that is not known.
            event: What the log of ingest calls it; empty where it is not logged. The server logs it, not the door: what a
                refused client can have logged is bounded by the rate of wrong keys.
            details: What the log says besides, each cut to a length.
        """
        super().__init__(reason)
        self.status, self.reason, self.delay_seconds, self.retry_seconds = status, reason, delay_seconds, retry_seconds
        self.event, self.details = event, details or {}


DoorFactory = Callable[[Upgrade], Entered]
"""Makes the door of one connection, once the peer has shown that it may come in. Raises `UpgradeRefused`; does not wait."""
