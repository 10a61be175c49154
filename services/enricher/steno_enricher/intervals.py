"""Operations on lists of time intervals, in milliseconds, kept sorted and merged. Pure."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence

Interval = tuple[int, int]
"""First millisecond, and the one after the last."""


def add(intervals: list[Interval], start: int, end: int) -> None:
    """Adds an interval to a sorted list of disjoint ones, and merges it with those that it overlaps or touches."""
    if end <= start:
        return
    first = bisect_left(intervals, start, key=lambda interval: interval[1])
    last = bisect_right(intervals, end, key=lambda interval: interval[0])
    if first < last:
        start = min(start, intervals[first][0])
        end = max(end, intervals[last - 1][1])
    intervals[first:last] = [(start, end)]


def close_least_gap(intervals: list[Interval]) -> None:
    """Merges the two neighbouring intervals with the smallest gap between them."""
    at = min(range(1, len(intervals)), key=lambda index: intervals[index][0] - intervals[index - 1][1])
    intervals[at - 1 : at + 1] = [(intervals[at - 1][0], intervals[at][1])]


def length(intervals: Iterable[Interval]) -> int:
    """The total length of intervals, in milliseconds."""
    return sum(end - start for start, end in intervals)


def covered(channels: Iterable[Sequence[Interval]], *, by: int, until: int | None = None) -> int:
    """How many milliseconds, up to `until`, are covered by the intervals of at least `by` channels at once."""
    edges = [edge for intervals in channels for start, end in intervals for edge in ((start, 1), (end, -1))]
    total = speaking = since = 0
    for at, change in sorted(edges):
        at = at if until is None else min(at, until)
        if speaking >= by:
            total += at - since
        speaking += change
        since = at
    return total
