"""Limits how many recordings are fetched at once, in three lanes, so that a slow server does not delay the others.

| lane | for | held |
|---|---|---|
| own | recordings in our own store or on our own disk | from before the fetch to the end of decoding |
| quick | recordings from other servers | likewise; a fetch that takes longer than a few seconds moves to the slow lane |
| slow | slow fetches | likewise |

While it sends, a host may have two thirds of the quick lane and half of the slow one. A recording that finds no free slot in
the quick lane waits for a while, a few at a time, then is tried again later (`NoFreeSlot`). Where the slow lane is full, too, a
slow fetch in the quick lane is ended in the same way as soon as another recording waits for its slot.
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


class NoFreeSlot(Retryable):
    """A recording must wait until others are fetched."""

    error_class = "no_place"
    of_record = True


class Lane(Enum):
    """The lane of a slot."""

    OWN = "own"
    QUICK = "quick"
    SLOW = "slow"


@dataclass(eq=False, slots=True)
class Slot:
    """The slot of a recording, from before its fetch to the end of its decoding."""

    host: str
    lane: Lane
    fetching: bool = True
    #: Ends its block.
    limit: asyncio.Timeout | None = None

    def finish_fetch(self) -> None:
        """Notes that the recording is fetched, so that its host is no longer in use."""
        self.fetching = False
        if self.limit is not None:
            self.limit.reschedule(None)

    @property
    def ending(self) -> bool:
        """Whether it is being given to another recording."""
        return self.limit is not None and self.limit.when() is not None


class FetchSlots:
    """A component that gives out slots; once it is stopped, no recording waits."""

    def __init__(self, *, at_once: int, slow: int, later: Callable[[float, Callable[[], None]], Any] | None = None) -> None:
        """
        Args:
            at_once: number of slots in the own lane, and in the quick lane.
            slow: number of slots in the slow lane.
            later: calls a function after some seconds; what it returns can be cancelled.
        """
        self._most = {Lane.OWN: at_once, Lane.QUICK: at_once, Lane.SLOW: slow}
        self._most_of_host = {Lane.QUICK: max(1, at_once * 2 // 3), Lane.SLOW: max(1, slow // 2)}
        self._most_waiting = at_once
        self._later = later or (lambda seconds, call: asyncio.get_running_loop().call_later(seconds, call))
        self._taken: set[Slot] = set()
        self._line: list[tuple[Slot, asyncio.Future[None]]] = []
        self._stopping = asyncio.Event()

    @property
    def handlers(self) -> int:
        """How many recordings may be handled at once, so that those of other servers never keep out all of our own."""
        elsewhere = self._most[Lane.QUICK] + self._most[Lane.SLOW] + self._most_waiting
        return elsewhere + 2 * self._most[Lane.OWN]

    async def run(self) -> None:
        """Works until `stop` is called."""
        await self._stopping.wait()

    async def stop(self) -> None:
        """Makes waiting recordings fail with `NoFreeSlot`, to be handled again elsewhere."""
        self._stopping.set()
        for _, turn in self._line:
            if not turn.done():
                turn.set_exception(NoFreeSlot("the transcriber stops"))
        self._line.clear()

    @asynccontextmanager
    async def acquire(self, host: str = "") -> AsyncIterator[Slot]:
        """Holds a slot for the time of the block; without a host it is one of the own lane.

        Raises:
            NoFreeSlot: there is none now; or the fetch is slow, and another recording gets the slot.
        """
        place = Slot(host, Lane.QUICK if host else Lane.OWN)
        await self._take(place)
        timer = [self._later(SLOW_SECONDS, lambda: self._move(place, timer))] if host else []
        try:
            async with asyncio.timeout(None) as place.limit:
                yield place
        except TimeoutError:
            if not place.ending:
                raise
            raise NoFreeSlot(f"{place.host} is slow, and others wait; the recording comes again later") from None
        finally:
            place.fetching = False
            for call in timer:
                call.cancel()
            self._taken.discard(place)
            self._let_in()

    async def _take(self, place: Slot) -> None:
        if self._stopping.is_set():
            raise NoFreeSlot("the transcriber stops")
        waiting = sum(bool(other.host) for other, _ in self._line)
        if place.host and waiting >= self._most_waiting and not self._has_room(place.lane, place.host):
            raise NoFreeSlot(f"{place.host} and others are being fetched from; the recording waits")
        turn = asyncio.get_running_loop().create_future()
        self._line.append((place, turn))
        self._let_in()
        try:
            async with asyncio.timeout(PATIENCE_SECONDS if place.host else None):
                await turn
        except TimeoutError:
            self._leave(place, turn)
            raise NoFreeSlot(f"{place.host} and others are being fetched from; the recording waits") from None
        except asyncio.CancelledError:
            self._leave(place, turn)
            raise

    def _leave(self, place: Slot, turn: asyncio.Future[None]) -> None:
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

    def _move(self, place: Slot, timer: list[Any]) -> None:
        """Moves a slow fetch to the slow lane once there is room; ends it where there is none and another recording waits."""
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
        """Whether more recordings wait for a slot of the quick lane than slots are being given away."""
        waiting = sum(bool(other.host) and self._host_has_room(Lane.QUICK, other.host) for other, _ in self._line)
        return waiting > sum(place.ending for place in self._taken)
