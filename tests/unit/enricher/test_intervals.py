"""Spans of speech against sets of milliseconds."""

import itertools

from hypothesis import given
from hypothesis import strategies as st
from steno_enricher import intervals

_spans = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 15)).map(lambda span: (span[0], span[0] + span[1])), max_size=12)


def _merged(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for start, end in spans:
        intervals.add(merged, start, end)
    return merged


def _milliseconds(spans: list[tuple[int, int]]) -> set[int]:
    return {at for start, end in spans for at in range(start, end)}


@given(_spans)
def test_spans_are_merged_in_any_order(spans: list[tuple[int, int]]) -> None:
    """The spans are those of the union, sorted and apart, however they came."""
    merged = _merged(spans)
    assert merged == _merged(sorted(spans, reverse=True))
    assert _milliseconds(merged) == _milliseconds(spans)
    assert all(before[1] < after[0] for before, after in itertools.pairwise(merged))
    assert intervals.length(merged) == len(_milliseconds(spans))


@given(st.lists(_spans, max_size=4), st.integers(1, 3), st.integers(0, 80))
def test_covered_counts_the_milliseconds(channels: list[list[tuple[int, int]]], by: int, until: int) -> None:
    """What so many channels cover up to a point is what counting each millisecond gives."""
    sets = [_milliseconds(spans) for spans in channels]
    expected = sum(sum(at in channel for channel in sets) >= by for at in range(until))
    assert intervals.covered(map(_merged, channels), by=by, until=until) == expected
    everything = sum(sum(at in channel for channel in sets) >= by for at in range(80))
    assert intervals.covered(map(_merged, channels), by=by) == everything
