"""Spans of speech on a line of milliseconds, kept merged: exact in whatever order they come, and small. Pure."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence

Interval = tuple[int, int]
"""First millisecond, and the one after the last."""


def add(intervals: list[Interval], start: int, end: int) -> None:
    """Adds a span to sorted spans that neither overlap nor touch, which stay so."""
    if end <= start:
        return
    first = bisect_left(intervals, start, key=lambda interval: interval[1])
    last = bisect_right(intervals, end, key=lambda interval: interval[0])
    if first < last:
        start = min(start, intervals[first][0])
        end = max(end, intervals[last - 1][1])
    intervals[first:last] = [(start, end)]


def close_least_gap(intervals: list[Interval]) -> None:
    """Makes one span of the two that have the least between them."""
    at = min(range(1, len(intervals)), key=lambda index: intervals[index][0] - intervals[index - 1][1])
    intervals[at - 1 : at + 1] = [(intervals[at - 1][0], intervals[at][1])]


def length(intervals: Iterable[Interval]) -> int:
    """Milliseconds in the spans."""
    return sum(end - start for start, end in intervals)


def covered(channels: Iterable[Sequence[Interval]], *, by: int, until: int | None = None) -> int:
    """Milliseconds, up to `until`, in which `by` channels or more spoke at once; each channel's spans are merged."""
    edges = [edge for intervals in channels for start, end in intervals for edge in ((start, 1), (end, -1))]
    total = speaking = since = 0
    for at, change in sorted(edges):
        at = at if until is None else min(at, until)
        if speaking >= by:
            total += at - since
        speaking += change
        since = at
    return total
