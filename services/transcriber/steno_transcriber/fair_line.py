"""A priority queue that is fair: within a priority, owners take turns (round robin). Pure."""

from collections import OrderedDict, deque
from collections.abc import Hashable
from typing import Generic, TypeVar

T = TypeVar("T")


class FairLine(Generic[T]):
    """What waits, by urgency and by whose it is. Of one owner, what came first comes first."""

    def __init__(self, urgencies: int) -> None:
        """`urgencies`: so many there are, 0 the first."""
        #: For each urgency, the owners in the order of their turns.
        self._turns: list[OrderedDict[Hashable, deque[T]]] = [OrderedDict() for _ in range(urgencies)]

    def __bool__(self) -> bool:
        return any(self._turns)

    def put(self, urgency: int, owner: Hashable, work: T) -> None:
        """Line up work. An owner that has none in line comes behind all others."""
        self._turns[urgency].setdefault(owner, deque()).append(work)

    def get(self) -> T:
        """Take the next; there must be one."""
        turns = next(turns for turns in self._turns if turns)
        owner, waiting = turns.popitem(last=False)
        work = waiting.popleft()
        if waiting:
            turns[owner] = waiting
        return work

    def clear(self) -> list[T]:
        """Take all."""
        found = [work for turns in self._turns for waiting in turns.values() for work in waiting]
        for turns in self._turns:
            turns.clear()
        return found
