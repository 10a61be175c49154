"""Limits the connections of a server: how many may be open, which is closed when there are too many, how slow each may be.

A connection is unauthenticated until its client has sent a valid key or another proof of identity. The number of
unauthenticated connections is limited in total and per address. When a limit is reached, the oldest one is closed, so a client
that authenticates immediately can connect even during a flood of others. An authenticated connection in use (an upload, a
stream of captions, a live call) is never closed for a new one; an idle one is closed if no unauthenticated one is left.
"""

import time
from collections import OrderedDict, defaultdict
from collections.abc import Callable
from dataclasses import dataclass

from steno.http.metrics import CLOSED, CONNECTIONS
from steno.http.rates import address_key


@dataclass(frozen=True, kw_only=True, slots=True)
class Bounds:
    """Limits on the connections of a server."""

    #: Connections in total.
    most: int
    #: Unauthenticated connections from one address (IPv6: from one /64).
    most_of_an_address: int
    #: Time limit from the connection, or the first byte of a further request, to the end of the request's head.
    head_seconds: float
    #: The lowest average rate at which a client may send a body or read a response.
    min_bytes_per_second: float
    #: How long a client may be slower than that. Earlier, faster transfers do not extend it.
    grace_seconds: float = 20


class Connection:
    """One connection, from `accept` to its end."""

    __slots__ = ("_all", "address", "close", "expire", "heartbeats", "idle", "slow_by", "unauthenticated")

    def __init__(self, all_: "Connections", address: str) -> None:
        self._all = all_
        self.address = address
        self.unauthenticated = True
        #: Whether it is between two requests.
        self.idle = False
        #: Number of pings and pongs received on its WebSocket.
        self.heartbeats = 0
        #: Closes it immediately; set by the owner of its socket.
        self.close: Callable[[], None] = _nothing
        #: Closes it for a reason: `slow_head`, `slow_body`, `slow_reader`.
        self.expire: Callable[[str], None] = lambda _why: self.close()
        #: The watched rates, by the reason for which the connection is closed if one is too low.
        self.slow_by: dict[str, _Pace] = {}

    @property
    def bounds(self) -> Bounds:
        """The limits that apply to it."""
        return self._all.bounds

    def mark_authenticated(self) -> None:
        """Records that its client has authenticated."""
        if self.unauthenticated:
            self._all.mark_authenticated(self)

    def start_head(self) -> None:
        """Starts the time limit for the head of a request."""
        self.idle = False
        self._all.start_head(self)

    def finish_head(self) -> None:
        """Ends the time limit for the head, which has arrived."""
        self._all.heads.pop(self, None)

    def start_pace(self, why: str, so_far: Callable[[], int]) -> None:
        """Watches the rate of bytes that the client sends or reads, until `stop_pace`.

        Args:
            why: The reason for closing the connection if it is too slow: `slow_body` or `slow_reader`.
            so_far: Returns the number of bytes so far, or a negative number while the server is not waiting for the client.
        """
        if why not in self.slow_by:
            self.slow_by[why] = _Pace(so_far)
            self._all.paced.add(self)

    def stop_pace(self, why: str) -> None:
        """Stops watching the rate for a reason."""
        if self.slow_by.pop(why, None) is not None and not self.slow_by:
            self._all.paced.discard(self)

    def remove(self) -> None:
        """Records that it has ended."""
        self._all.forget(self)


class Connections:
    """All connections of a server."""

    def __init__(
        self, bounds: Bounds, *, exempt: Callable[[str], bool] = lambda _: False, now: Callable[[], float] = time.monotonic
    ) -> None:
        """
        Args:
            exempt: Whether an address is that of a proxy, which has many clients and therefore no limit of its own.
            now: Seconds of a monotonic clock.
        """
        self.bounds = bounds
        self._exempt = exempt
        self._now = now
        self._unauthenticated: OrderedDict[Connection, None] = OrderedDict()
        self._by_address: defaultdict[str, OrderedDict[Connection, None]] = defaultdict(OrderedDict)
        self._authenticated: OrderedDict[Connection, None] = OrderedDict()
        #: The deadline of each head. All have the same time limit, so they expire in the order of insertion.
        self.heads: OrderedDict[Connection, float] = OrderedDict()
        self.paced: set[Connection] = set()

    def __len__(self) -> int:
        return len(self._unauthenticated) + len(self._authenticated)

    @property
    def unauthenticated(self) -> int:
        """The number of unauthenticated connections."""
        return len(self._unauthenticated)

    def admit(self, host: str) -> Connection | None:
        """Registers a new connection, closing another one if there are too many; returns None if the new one is refused."""
        address = "" if self._exempt(host) else address_key(host)
        of_address = self._by_address[address]
        if address and len(of_address) >= self.bounds.most_of_an_address:
            self._evict(next(iter(of_address)))
        if len(self) >= self.bounds.most and not self.make_room():
            CLOSED.labels("full").inc()
            if not of_address:
                del self._by_address[address]
            return None
        connection = Connection(self, address)
        self._unauthenticated[connection] = None
        self._by_address[address][connection] = None
        self.start_head(connection)
        return connection

    def make_room(self) -> bool:
        """Closes the oldest unauthenticated connection, or else the oldest idle one; returns False if there is neither."""
        oldest = next(iter(self._unauthenticated), None) or next((each for each in self._authenticated if each.idle), None)
        if oldest is None:
            return False
        self._evict(oldest)
        return True

    def mark_authenticated(self, connection: Connection) -> None:
        """Counts a connection as authenticated."""
        if connection in self._unauthenticated:
            self._forget_unauthenticated(connection)
            self._authenticated[connection] = None
            connection.unauthenticated = False

    def start_head(self, connection: Connection) -> None:
        """Starts the time limit for the head of a request."""
        self.heads.pop(connection, None)
        self.heads[connection] = self._now() + self.bounds.head_seconds

    def forget(self, connection: Connection) -> None:
        """Removes a connection that has ended; it may be called more than once."""
        if connection in self._unauthenticated:
            self._forget_unauthenticated(connection)
        self._authenticated.pop(connection, None)
        self.heads.pop(connection, None)
        self.paced.discard(connection)

    def tick(self) -> None:
        """Closes connections that are too slow. Called about once a second."""
        now = self._now()
        while self.heads:
            connection, deadline = next(iter(self.heads.items()))
            if deadline > now:
                break
            del self.heads[connection]
            self._expire(connection, "slow_head")
        for connection in list(self.paced):
            for why, pace in list(connection.slow_by.items()):
                if pace.too_slow(now, self.bounds):
                    self._expire(connection, why)
                    break
        CONNECTIONS.labels("unauthenticated").set(len(self._unauthenticated))
        CONNECTIONS.labels("authenticated").set(len(self._authenticated))

    def _expire(self, connection: Connection, why: str) -> None:
        CLOSED.labels(why).inc()
        connection.slow_by.clear()
        self.paced.discard(connection)
        connection.expire(why)

    def _evict(self, connection: Connection) -> None:
        CLOSED.labels("made_room").inc()
        self.forget(connection)
        connection.close()

    def _forget_unauthenticated(self, connection: Connection) -> None:
        del self._unauthenticated[connection]
        of_address = self._by_address[connection.address]
        del of_address[connection]
        if not of_address:
            del self._by_address[connection.address]


class _Pace:
    """Checks the average rate of bytes of a connection against the lowest allowed rate."""

    __slots__ = ("_at", "_behind", "_seen", "_so_far")

    def __init__(self, so_far: Callable[[], int]) -> None:
        self._so_far = so_far
        self._seen = 0
        #: Time of the last check; None before the first.
        self._at: float | None = None
        #: Seconds by which the client is behind the lowest allowed rate.
        self._behind = 0.0

    def too_slow(self, now: float, bounds: Bounds) -> bool:
        """Whether the client is too slow. The time since the last call counts only if the server waited for the client."""
        so_far = self._so_far()
        if so_far >= 0:
            waited = 0.0 if self._at is None else now - self._at
            self._behind = max(0.0, self._behind + waited - (so_far - self._seen) / bounds.min_bytes_per_second)
            self._seen = so_far
        self._at = now
        return self._behind > bounds.grace_seconds


def _nothing() -> None:
    """Does nothing; the default of `close` while there is no socket."""
