"""Limits the connections of a server: how many may be open, which one is closed for a new one, and how slow each may be.

A connection is a *stranger's* (not authenticated) until it has shown a key, or another sign that lets it in. Strangers are
bounded in all and by address; where there are too many, the oldest one is closed, so that whoever says at once who it is gets
in under any number that do not. What is known is never closed for a stranger: an upload, a stream of captions or a live call
stays; of known ones only those that are idle between two requests make room, when nobody else is left.
"""

import time
from collections import OrderedDict, defaultdict
from collections.abc import Callable
from dataclasses import dataclass

from steno.http.metrics import CLOSED, CONNECTIONS
from steno.http.rates import address_key


@dataclass(frozen=True, kw_only=True, slots=True)
class Bounds:
    """What connections may be and take."""

    #: All of them.
    most: int
    #: Strangers of one address (IPv6: of one /64).
    most_of_an_address: int
    #: From the connection, or the first byte of a further request, to the end of the request's head.
    head_seconds: float
    #: Of a body, and of an answer that is read, on average.
    min_bytes_per_second: float
    #: How far both may be behind that; what came fast before saves no more than this.
    grace_seconds: float = 20


class Connection:
    """One connection, from its accept to its end."""

    __slots__ = ("_all", "address", "close", "expire", "heartbeats", "idle", "slow_by", "stranger")

    def __init__(self, all_: "Connections", address: str) -> None:
        self._all = all_
        self.address = address
        self.stranger = True
        #: Between two requests.
        self.idle = False
        #: How often its peer gave a sign of life by the WebSocket itself.
        self.heartbeats = 0
        #: Ends it at once; set by whoever has its socket.
        self.close: Callable[[], None] = _nothing
        #: Ends it for a reason: `slow_head`, `slow_body`, `slow_reader`.
        self.expire: Callable[[str], None] = lambda _why: self.close()
        #: While bytes of the peer are waited for: how many have come or gone, asked for once a second; why it ends.
        self.slow_by: dict[str, _Pace] = {}

    @property
    def bounds(self) -> Bounds:
        """What it may take."""
        return self._all.bounds

    def known(self) -> None:
        """It has shown who it is."""
        if self.stranger:
            self._all.make_known(self)

    def awaits_head(self) -> None:
        """Its peer has begun with a request, or is to begin."""
        self.idle = False
        self._all.await_head(self)

    def has_head(self) -> None:
        """The head has come."""
        self._all.heads.pop(self, None)

    def awaits_bytes(self, why: str, so_far: Callable[[], int]) -> None:
        """Bytes are waited for that come or go by themselves, until `enough`.

        Args:
            so_far: How many have; less than 0 while it is not the peer that is waited for.
        """
        if why not in self.slow_by:
            self.slow_by[why] = _Pace(so_far)
            self._all.paced.add(self)

    def enough(self, why: str) -> None:
        """They are no longer waited for."""
        if self.slow_by.pop(why, None) is not None and not self.slow_by:
            self._all.paced.discard(self)

    def lost(self) -> None:
        """It is over."""
        self._all.forget(self)


class Connections:
    """All connections of a server."""

    def __init__(
        self, bounds: Bounds, *, exempt: Callable[[str], bool] = lambda _: False, now: Callable[[], float] = time.monotonic
    ) -> None:
        """
        Args:
            exempt: Whether an address is that of a proxy, which stands for many.
            now: Seconds of a monotonic clock.
        """
        self.bounds = bounds
        self._exempt = exempt
        self._now = now
        self._strangers: OrderedDict[Connection, None] = OrderedDict()
        self._by_address: defaultdict[str, OrderedDict[Connection, None]] = defaultdict(OrderedDict)
        self._known: OrderedDict[Connection, None] = OrderedDict()
        #: When each head is to have come; all have the same time, so the first one ends first.
        self.heads: OrderedDict[Connection, float] = OrderedDict()
        self.paced: set[Connection] = set()

    def __len__(self) -> int:
        return len(self._strangers) + len(self._known)

    @property
    def strangers(self) -> int:
        """Those that have not shown who they are."""
        return len(self._strangers)

    def admit(self, host: str) -> Connection | None:
        """A new connection; others may have to make room for it. None where it cannot be taken."""
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
        self._strangers[connection] = None
        self._by_address[address][connection] = None
        self.await_head(connection)
        return connection

    def make_room(self) -> bool:
        """Closes the oldest connection without a key, else an idle one; False where there is neither."""
        victim = next(iter(self._strangers), None) or next((known for known in self._known if known.idle), None)
        if victim is None:
            return False
        self._evict(victim)
        return True

    def make_known(self, connection: Connection) -> None:
        """Counts a connection as known: it has shown who it is."""
        if connection in self._strangers:
            self._forget_stranger(connection)
            self._known[connection] = None
            connection.stranger = False

    def await_head(self, connection: Connection) -> None:
        """Gives it its time."""
        self.heads.pop(connection, None)
        self.heads[connection] = self._now() + self.bounds.head_seconds

    def forget(self, connection: Connection) -> None:
        """It is over; more than once is none."""
        if connection in self._strangers:
            self._forget_stranger(connection)
        self._known.pop(connection, None)
        self.heads.pop(connection, None)
        self.paced.discard(connection)

    def tick(self) -> None:
        """Time has passed: ends what is too slow. Called about once a second."""
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
        CONNECTIONS.labels("strangers").set(len(self._strangers))
        CONNECTIONS.labels("known").set(len(self._known))

    def _expire(self, connection: Connection, why: str) -> None:
        CLOSED.labels(why).inc()
        connection.slow_by.clear()
        self.paced.discard(connection)
        connection.expire(why)

    def _evict(self, connection: Connection) -> None:
        CLOSED.labels("made_room").inc()
        self.forget(connection)
        connection.close()

    def _forget_stranger(self, connection: Connection) -> None:
        del self._strangers[connection]
        of_address = self._by_address[connection.address]
        del of_address[connection]
        if not of_address:
            del self._by_address[connection.address]


class _Pace:
    """Whether bytes come as fast as they must, on average, while they are waited for."""

    __slots__ = ("_at", "_behind", "_seen", "_so_far")

    def __init__(self, so_far: Callable[[], int]) -> None:
        self._so_far = so_far
        self._seen = 0
        #: When it was looked at last; None before the first time.
        self._at: float | None = None
        #: Seconds that were waited and that no byte has paid for.
        self._behind = 0.0

    def too_slow(self, now: float, bounds: Bounds) -> bool:
        """Looks again; the time since the last look counts where the peer was waited for."""
        so_far = self._so_far()
        if so_far >= 0:
            waited = 0.0 if self._at is None else now - self._at
            self._behind = max(0.0, self._behind + waited - (so_far - self._seen) / bounds.min_bytes_per_second)
            self._seen = so_far
        self._at = now
        return self._behind > bounds.grace_seconds


def _nothing() -> None:
    """There is no socket yet."""
