"""Decides whether a record that fails with an unexpected error goes to dead letters, or is held and retried. Pure.

A handler that raises what nobody foresaw has met a record that it cannot bear, or it is broken, as is what it stands on. What
goes through beside the record tells the two apart. Each record that is handled allows a few of its kind (the same type on the
same topic) to be put aside, which is: sent to dead letters. Where nothing goes through that is soon used up, and what fails
from then on is held: not done, not lost, tried again.

| of a kind | what follows for one that has failed |
|---|---|
| something went through, and fewer than `ALONE` were put aside since | it is put aside |
| nothing went through since | it is held |
| some are held, nothing goes through | the oldest is tried again, after 1 s, 2 s, ... up to 60 s |
| something goes through | those held are tried again: one, then two, four, ... as long as they go through |

What is held holds up nothing but its own key: others are fetched and handled beside it. So where somebody sends what hits a
fault of ours, it is put aside as others go through; and of a fault that hits everything next to nothing is put aside.
"""

from collections import deque
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

T = TypeVar("T", bound=Hashable)

#: So many records of a kind may be put aside for a fault of ours for each one that went through before them.
ALONE = 3
#: So many may be put aside by a process that has not seen one of their kind go through: what a restart costs at most.
AT_START = 2
#: So many are tried again at once where those before them went through.
MOST_AT_ONCE = 256

FIRST_SECONDS = 1.0
LONGEST_SECONDS = 60.0

#: Where what is held leaves no room for others, which may stand behind it, and that has lasted, one is put aside so often.
GIVEN_UP_AFTER_SECONDS = 600.0
GIVEN_UP_EVERY_SECONDS = 60.0


@dataclass(slots=True)
class _Kind(Generic[T]):
    """What is known of one kind of records."""

    credit: int = 0
    held: deque[T] = field(default_factory=deque)
    #: Those being tried again.
    tried: set[T] = field(default_factory=set)
    at_once: int = 1
    wait_seconds: float = FIRST_SECONDS
    next_at: float = 0.0
    #: Since when some have been held; None while none are.
    since: float | None = None
    given_up_at: float = 0.0


class HeldRecords(Generic[T]):
    """What one consumer holds. Times are seconds of a monotonic clock."""

    def __init__(self) -> None:
        self._kinds: dict[Hashable, _Kind[T]] = {}
        self._at_start = AT_START

    @property
    def counts(self) -> dict[Hashable, int]:
        """How many records of each kind are held, those being tried again among them; 0 where none are any more."""
        return {kind: len(found.held) + len(found.tried) for kind, found in self._kinds.items()}

    def is_held(self, kind: Hashable) -> bool:
        """Whether records of a kind are held now."""
        found = self._kinds.get(kind)
        return found is not None and found.since is not None

    def handled(self, kind: Hashable, record: T) -> None:
        """A record went through."""
        found = self._kinds.get(kind) or self._of(kind)
        found.credit = ALONE
        if found.since is None:
            return
        found.wait_seconds = FIRST_SECONDS
        if record in found.tried:
            found.tried.remove(record)
            found.at_once = min(2 * found.at_once, MOST_AT_ONCE)
            self._look_whether_over(found)

    def may_be_put_aside(self, kind: Hashable) -> bool:
        """Whether a record that has failed is to be put aside, which is counted here; else it is to be held."""
        found = self._of(kind)
        if found.credit:
            found.credit -= 1
            return True
        if self._at_start:
            self._at_start -= 1
            return True
        return False

    def put_aside(self, kind: Hashable, record: T) -> None:
        """A record was put aside, or is nobody's any more."""
        found = self._of(kind)
        found.at_once = 1
        found.tried.discard(record)
        self._look_whether_over(found)

    def discard(self, kind: Hashable, record: T) -> None:
        """A record that is being tried again is one of another kind now."""
        found = self._of(kind)
        found.tried.discard(record)
        self._look_whether_over(found)

    def hold(self, kind: Hashable, record: T, now: float) -> bool:
        """Holds a record; True where it is the first of its kind."""
        found = self._of(kind)
        first = found.since is None
        if first:
            found.since, found.wait_seconds = now, FIRST_SECONDS
        elif record in found.tried:
            found.tried.remove(record)
            found.wait_seconds = min(2 * found.wait_seconds, LONGEST_SECONDS)
        else:
            # It came while others were held already: they say when to try again.
            found.held.append(record)
            return False
        found.at_once = 1
        found.next_at = now + found.wait_seconds
        found.held.append(record)
        return first

    def due(self, now: float, *, full: bool = False) -> list[T]:
        """The records to be tried again now.

        Args:
            full: What is held leaves no room for others.
        """
        due: list[T] = []
        for found in self._kinds.values():
            if found.since is None:
                continue
            if full:
                self._give_up(found, now)
            probe = int(not found.tried and now >= found.next_at)
            room = found.at_once - len(found.tried) if found.credit else probe
            taken = [found.held.popleft() for _ in range(min(room, len(found.held)))]
            found.tried.update(taken)
            due.extend(taken)
        return due

    def forget(self, is_gone: Callable[[T], bool]) -> None:
        """Lets go of the records that are nobody's any more."""
        for found in self._kinds.values():
            if found.since is not None:
                found.held = deque(record for record in found.held if not is_gone(record))
                found.tried = {record for record in found.tried if not is_gone(record)}
                self._look_whether_over(found)

    def clear(self) -> None:
        """What was held is others' now; what went through still counts."""
        for found in self._kinds.values():
            found.held.clear()
            found.tried.clear()
            found.since = None

    def _of(self, kind: Hashable) -> _Kind[T]:
        return self._kinds.setdefault(kind, _Kind())

    @staticmethod
    def _look_whether_over(found: _Kind[T]) -> None:
        if not found.held and not found.tried:
            found.since = None

    @staticmethod
    def _give_up(found: _Kind[T], now: float) -> None:
        assert found.since is not None
        if now - found.since >= GIVEN_UP_AFTER_SECONDS and now - found.given_up_at >= GIVEN_UP_EVERY_SECONDS:
            found.given_up_at = now
            found.credit = max(found.credit, 1)
