"""A priority queue that is fair: within a priority, owners take turns, or those with the least waiting come first. Pure."""

from collections import OrderedDict, deque
from collections.abc import Callable, Collection, Hashable
from typing import Generic, TypeVar

T = TypeVar("T")


class FairQueue(Generic[T]):
    """A queue of work by urgency and owner. The work of one owner comes out in order."""

    def __init__(self, urgencies: int, *, fewest_first: Collection[int] = ()) -> None:
        """
        Args:
            urgencies: How many there are; 0 is the most urgent.
            fewest_first: Urgencies in which owners with the least queued come first, and take turns among each other. An owner
                with much queued gets nothing while others always have less.
        """
        self._fewest_first = frozenset(fewest_first)
        #: For each urgency, the owners in the order of their turns.
        self._turns: list[OrderedDict[Hashable, deque[T]]] = [OrderedDict() for _ in range(urgencies)]

    def __bool__(self) -> bool:
        return any(self._turns)

    def put(self, urgency: int, owner: Hashable, work: T) -> None:
        """Add work. An owner that has none queued gets its turn after all others."""
        self._turns[urgency].setdefault(owner, deque()).append(work)

    def get(self) -> T:
        """Remove and return the next work; there must be some."""
        urgency, turns = next((urgency, turns) for urgency, turns in enumerate(self._turns) if turns)
        if urgency in self._fewest_first:
            turns.move_to_end(min(turns, key=lambda owner: len(turns[owner])), last=False)
        owner, waiting = turns.popitem(last=False)
        work = waiting.popleft()
        if waiting:
            turns[owner] = waiting
        return work

    def get_more(self, urgency: int, matching: Callable[[T], bool], *, most: int) -> list[T]:
        """Remove and return further work that matches: of owners in the order of their turns, what each has next."""
        turns, found = self._turns[urgency], list[T]()
        for owner, waiting in list(turns.items()):
            if len(found) == most:
                break
            if matching(waiting[0]):
                found.append(waiting.popleft())
                del turns[owner]
                if waiting:
                    turns[owner] = waiting
        return found

    def clear(self) -> list[T]:
        """Remove and return all work."""
        found = [work for turns in self._turns for waiting in turns.values() for work in waiting]
        for turns in self._turns:
            turns.clear()
        return found
