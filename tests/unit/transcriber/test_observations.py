"""What is told of a call's audio besides what was said."""

import random

from hypothesis import given
from hypothesis import strategies as st
from steno_transcriber.observations import ADJACENT_MS, MOST_OBSERVATIONS, Observations

from steno.events.observations import Observation


def span(start_ms: int, end_ms: int, *, kind: str = "tone", channel: int = 0) -> Observation:
    return Observation(kind=kind, channel=channel, start_ms=start_ms, duration_ms=end_ms - start_ms)


@st.composite
def spans(draw: st.DrawFn) -> list[Observation]:
    drawn = st.tuples(st.integers(0, 20_000), st.integers(0, 3_000), st.sampled_from(["tone", "music"]), st.integers(0, 1))
    return [span(start, start + length, kind=kind, channel=channel) for start, length, kind, channel in draw(st.lists(drawn))]


def test_pieces_of_one_sound_are_one_span() -> None:
    """A busy tone is told once, not for each of its pulses."""
    pulses = [span(at, at + 500) for at in range(0, 10_000, 1_000)]
    assert Observations(pulses).in_order == (span(0, 9_500),)


def test_what_lies_apart_is_told_apart() -> None:
    """By time, by channel and by kind."""
    apart = (
        span(0, 1_000),
        span(0, 1_000, channel=1),
        span(900, 2_000, kind="music"),
        span(1_001 + ADJACENT_MS, 4_000),
    )
    assert Observations(reversed(apart)).in_order == apart


def test_no_more_is_told_than_fits() -> None:
    """A flood of spans costs a bounded record; what is told already still grows."""
    observations = Observations(span(at * 5_000, at * 5_000 + 1) for at in range(MOST_OBSERVATIONS + 10))
    assert len(observations.in_order) == MOST_OBSERVATIONS
    observations.add(span(0, 700))
    assert observations.in_order[0] == span(0, 700)


@given(found=spans(), seed=st.integers(0, 2**32))
def test_the_order_of_telling_plays_no_part(found: list[Observation], seed: int) -> None:
    """Channels may come interleaved in any way."""
    shuffled = random.Random(seed).sample(found, len(found))
    assert Observations(found).in_order == Observations(shuffled).in_order


@given(found=spans(), cut=st.integers(0, 100))
def test_who_goes_on_from_what_was_told_tells_the_same(found: list[Observation], cut: int) -> None:
    """A takeover between any two spans changes nothing, nor does one that comes again."""
    first = Observations(found[:cut])
    second = Observations(first.in_order)
    for observation in found[max(0, cut - 2) :]:
        second.add(observation)
    assert second.in_order == Observations(found).in_order


@given(found=spans())
def test_every_span_lies_in_one_that_is_told(found: list[Observation]) -> None:
    """Of its kind and channel."""
    told = Observations(found).in_order
    for one in found:
        assert any(
            (one.kind, one.channel) == (other.kind, other.channel)
            and other.start_ms <= one.start_ms
            and one.start_ms + one.duration_ms <= other.start_ms + other.duration_ms
            for other in told
        )
