"""Limits how many recordings are fetched at once, in three lanes, so that a slow server does not delay the others.

| lane | who | held |
|---|---|---|
| own | what lies in our own store or on our own disk | from before the fetch to the end of decoding |
| quick | what a server elsewhere hands out | likewise, but for what takes longer than a few seconds to come |
| slow | that | likewise |

A host may have two thirds of the quick lane and half of the slow one while it sends. Who finds no place in the quick lane waits
for a while, a few at a time, then tries again later (`NoPlace`, which the kernel lets wait without a slot). Where the slow lane
is full, too, a fetch that is slow in the quick lane ends likewise as soon as another waits for its place.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import Enum
from typing import Any

from steno.errors import Retryable

SLOW_SECONDS = 5.0
"""A fetch that takes longer is a slow one."""

PATIENCE_SECONDS = 15.0


class NoPlace(Retryable):
    """A recording must wait until others are fetched."""

    error_class = "no_place"
    of_record = True


class Lane(Enum):
    """Where a place is."""

    OWN = "own"
    QUICK = "quick"
    SLOW = "slow"


@dataclass(eq=False, slots=True)
class Place:
    """A recording's, from before its fetch to the end of its decoding."""

    host: str
    lane: Lane
    fetching: bool = True
    #: Ends its block.
    limit: asyncio.Timeout | None = None

    def fetched(self) -> None:
        """The recording is here: its server is done with."""
        self.fetching = False
        if self.limit is not None:
            self.limit.reschedule(None)

    @property
    def ending(self) -> bool:
        """Whether another is to have it."""
        return self.limit is not None and self.limit.when() is not None


class FetchPlaces:
    """A component of the service: once it is stopped, nobody waits."""

    def __init__(self, *, at_once: int, slow: int, later: Callable[[float, Callable[[], None]], Any] | None = None) -> None:
        """
        Args:
            at_once: places in the own and in the quick lane, each.
            slow: places in the slow lane.
            later: calls a function after some seconds; what it returns can be cancelled.
        """
        self._most = {Lane.OWN: at_once, Lane.QUICK: at_once, Lane.SLOW: slow}
        self._most_of_host = {Lane.QUICK: max(1, at_once * 2 // 3), Lane.SLOW: max(1, slow // 2)}
        self._most_waiting = at_once
        self._later = later or (lambda seconds, call: asyncio.get_running_loop().call_later(seconds, call))
        self._taken: set[Place] = set()
        self._line: list[tuple[Place, asyncio.Future[None]]] = []
        self._stopping = asyncio.Event()

    @property
    def handlers(self) -> int:
        """How many recordings may be taken up at once: however many of servers elsewhere are, some of our own can be."""
        elsewhere = self._most[Lane.QUICK] + self._most[Lane.SLOW] + self._most_waiting
        return elsewhere + 2 * self._most[Lane.OWN]

    async def run(self) -> None:
        """Works until `stop` is called."""
        await self._stopping.wait()

    async def stop(self) -> None:
        """Sends those that wait away: they come again."""
        self._stopping.set()
        for _, turn in self._line:
            if not turn.done():
                turn.set_exception(NoPlace("the transcriber stops"))
        self._line.clear()

    @asynccontextmanager
    async def taken(self, host: str = "") -> AsyncIterator[Place]:
        """A place, for the time of the block; that of our own store and disk without a host.

        Raises:
            NoPlace: there is none, for now; or the fetch is slow, and another is to have the place.
        """
        place = Place(host, Lane.QUICK if host else Lane.OWN)
        await self._take(place)
        timer = [self._later(SLOW_SECONDS, lambda: self._move(place, timer))] if host else []
        try:
            async with asyncio.timeout(None) as place.limit:
                yield place
        except TimeoutError:
            if not place.ending:
                raise
            raise NoPlace(f"{place.host} is slow, and others wait; the recording comes again later") from None
        finally:
            place.fetching = False
            for call in timer:
                call.cancel()
            self._taken.discard(place)
            self._let_in()

    async def _take(self, place: Place) -> None:
        if self._stopping.is_set():
            raise NoPlace("the transcriber stops")
        waiting = sum(bool(other.host) for other, _ in self._line)
        if place.host and waiting >= self._most_waiting and not self._has_room(place.lane, place.host):
            raise NoPlace(f"{place.host} and others are being fetched from; the recording waits")
        turn = asyncio.get_running_loop().create_future()
        self._line.append((place, turn))
        self._let_in()
        try:
            async with asyncio.timeout(PATIENCE_SECONDS if place.host else None):
                await turn
        except TimeoutError:
            self._leave(place, turn)
            raise NoPlace(f"{place.host} and others are being fetched from; the recording waits") from None
        except asyncio.CancelledError:
            self._leave(place, turn)
            raise

    def _leave(self, place: Place, turn: asyncio.Future[None]) -> None:
        self._line = [entry for entry in self._line if entry[1] is not turn]
        self._taken.discard(place)
        self._let_in()

    def _let_in(self) -> None:
        left = []
        for place, turn in self._line:
            if turn.done():
                continue
            if self._has_room(place.lane, place.host):
                self._taken.add(place)
                turn.set_result(None)
            else:
                left.append((place, turn))
        self._line = left

    def _has_room(self, lane: Lane, host: str) -> bool:
        there = sum(place.lane is lane for place in self._taken)
        return there < self._most[lane] and self._host_has_room(lane, host)

    def _host_has_room(self, lane: Lane, host: str) -> bool:
        of_host = sum(place.fetching and place.lane is lane and place.host == host for place in self._taken)
        return of_host < self._most_of_host.get(lane, self._most[lane])

    def _move(self, place: Place, timer: list[Any]) -> None:
        """To the slow lane, as soon as there is room; or away, where there is none and another waits."""
        if not place.fetching:
            return
        if self._has_room(Lane.SLOW, place.host):
            place.lane = Lane.SLOW
            self._let_in()
        elif place.limit is not None and self._another_waits():
            place.limit.reschedule(asyncio.get_running_loop().time())
        else:
            timer[:] = [self._later(1.0, lambda: self._move(place, timer))]

    def _another_waits(self) -> bool:
        """Whether a recording waits for nothing but a place in the quick lane, beyond those that are being given away."""
        waiting = sum(bool(other.host) and self._host_has_room(Lane.QUICK, other.host) for other, _ in self._line)
        return waiting > sum(place.ending for place in self._taken)
