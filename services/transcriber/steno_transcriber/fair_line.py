"""A priority queue that is fair: within a priority, owners take turns, or those with the least waiting come first. Pure."""

from collections import OrderedDict, deque
from collections.abc import Collection, Hashable
from typing import Generic, TypeVar

T = TypeVar("T")


class FairLine(Generic[T]):
    """What waits, by urgency and by whose it is. Of one owner, what came first comes first."""

    def __init__(self, urgencies: int, *, fewest_first: Collection[int] = ()) -> None:
        """
        Args:
            urgencies: So many there are, 0 the first.
            fewest_first: Those in which owners with the least in line come first, and take turns only among each other. Where
                there is always some of others, one with much gets nothing.
        """
        self._fewest_first = frozenset(fewest_first)
        #: For each urgency, the owners in the order of their turns.
        self._turns: list[OrderedDict[Hashable, deque[T]]] = [OrderedDict() for _ in range(urgencies)]

    def __bool__(self) -> bool:
        return any(self._turns)

    def put(self, urgency: int, owner: Hashable, work: T) -> None:
        """Line up work. An owner that has none in line comes behind all others."""
        self._turns[urgency].setdefault(owner, deque()).append(work)

    def get(self) -> T:
        """Take the next; there must be one."""
        urgency, turns = next((urgency, turns) for urgency, turns in enumerate(self._turns) if turns)
        if urgency in self._fewest_first:
            turns.move_to_end(min(turns, key=lambda owner: len(turns[owner])), last=False)
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
