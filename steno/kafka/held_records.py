"""Decides whether a record that fails with an unexpected error goes to dead letters, or is held and retried. Pure.

An unexpected error means that either the record is special, or the handler fails for every record. The success of other records
distinguishes the two cases. Each record that succeeds allows a few failed ones of its kind (the same type on the same topic) to
go to dead letters. If no record succeeds, that allowance is soon used up, and further failed records are held: they are not
done and not lost, and are tried again.

| records of a kind | what happens with a failed one |
|---|---|
| one succeeded, and fewer than `ALONE` went to dead letters since | it goes to dead letters |
| none succeeded since | it is held |
| some are held, none succeeds | the oldest is tried again after 1 s, 2 s, ... up to 60 s |
| one succeeds | the held ones are tried again: one, then two, four, ... as long as they succeed |

A held record delays only the records of its own key; others are fetched and handled. So records that trigger a fault of ours
go to dead letters while others succeed, and a fault that affects all records sends almost none to dead letters.
"""

from collections import deque
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

T = TypeVar("T", bound=Hashable)

#: How many records of a kind may go to dead letters after each one that succeeded.
ALONE = 3
#: How many a process may send to dead letters before any of their kind succeeded: a restart costs at most these.
AT_START = 2
#: How many are tried again at once, at most, while the earlier ones succeed.
MOST_AT_ONCE = 256

FIRST_SECONDS = 1.0
LONGEST_SECONDS = 60.0

#: If held records have blocked a partition for this long, one of them goes to dead letters at this interval.
GIVEN_UP_AFTER_SECONDS = 600.0
GIVEN_UP_EVERY_SECONDS = 60.0


@dataclass(slots=True)
class _Kind(Generic[T]):
    """The state of one kind of records."""

    credit: int = 0
    held: deque[T] = field(default_factory=deque)
    #: The records being tried again.
    tried: set[T] = field(default_factory=set)
    at_once: int = 1
    wait_seconds: float = FIRST_SECONDS
    next_at: float = 0.0
    #: The time since which some have been held; None while none are.
    since: float | None = None
    given_up_at: float = 0.0


class HeldRecords(Generic[T]):
    """The held records of one consumer. Times are seconds of a monotonic clock."""

    def __init__(self) -> None:
        self._kinds: dict[Hashable, _Kind[T]] = {}
        self._at_start = AT_START

    @property
    def counts(self) -> dict[Hashable, int]:
        """The number of held records of each kind, including those being tried again; 0 if there are none any more."""
        return {kind: len(found.held) + len(found.tried) for kind, found in self._kinds.items()}

    def is_held(self, kind: Hashable) -> bool:
        """Whether records of a kind are held."""
        found = self._kinds.get(kind)
        return found is not None and found.since is not None

    def handled(self, kind: Hashable, record: T) -> None:
        """Records that a record succeeded."""
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
        """Whether a failed record goes to dead letters, which uses up some allowance; otherwise it must be held."""
        found = self._of(kind)
        if found.credit:
            found.credit -= 1
            return True
        if self._at_start:
            self._at_start -= 1
            return True
        return False

    def put_aside(self, kind: Hashable, record: T) -> None:
        """Records that a record went to dead letters."""
        found = self._of(kind)
        found.at_once = 1
        found.tried.discard(record)
        self._look_whether_over(found)

    def discard(self, kind: Hashable, record: T) -> None:
        """Removes a record that was tried again and now belongs to another kind."""
        found = self._of(kind)
        found.tried.discard(record)
        self._look_whether_over(found)

    def hold(self, kind: Hashable, record: T, now: float) -> bool:
        """Holds a record; returns whether it is the first of its kind."""
        found = self._of(kind)
        first = found.since is None
        if first:
            found.since, found.wait_seconds = now, FIRST_SECONDS
        elif record in found.tried:
            found.tried.remove(record)
            found.wait_seconds = min(2 * found.wait_seconds, LONGEST_SECONDS)
        else:
            # Others were held already; their retry time applies.
            found.held.append(record)
            return False
        found.at_once = 1
        found.next_at = now + found.wait_seconds
        found.held.append(record)
        return first

    def due(self, now: float, *, full: bool = False) -> list[T]:
        """Returns the records to be tried again now.

        Args:
            full: Whether a partition is paused because of its held records.
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
        """Removes the records that no longer belong to this consumer."""
        for found in self._kinds.values():
            if found.since is not None:
                found.held = deque(record for record in found.held if not is_gone(record))
                found.tried = {record for record in found.tried if not is_gone(record)}
                self._look_whether_over(found)

    def clear(self) -> None:
        """Removes all held records, which belong to other consumers now; earlier successes still count."""
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
