"""The lead of a live call tells whether it is sent as it is spoken."""

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from steno_transcriber.live.audio_lead import AudioLead

CHUNK = 0.2


def spoken(lead: AudioLead, *, begin: float, audio: float, seconds: float, speed: float = 1.0) -> Iterator[bool]:
    """Chunks of a call from some second on; whether each came faster than it was spoken."""
    for number in range(1, round(seconds / CHUNK) + 1):
        lead.update(elapsed=begin + number * CHUNK / speed, audio=audio + number * CHUNK)
        yield lead.hurried


def fresh() -> AudioLead:
    return AudioLead(elapsed=0, audio=0)


def test_a_call_that_is_sent_as_it_is_spoken_is_not_hurried() -> None:
    """However long it lasts."""
    assert not any(spoken(fresh(), begin=0, audio=0, seconds=3600))


def test_a_call_that_comes_at_once_is_hurried_after_a_second() -> None:
    """Nothing that was said by then could have been said just now."""
    hurried = list(spoken(fresh(), begin=0, audio=0, seconds=40, speed=1e6))
    assert hurried.index(True) == pytest.approx(1 / CHUNK, abs=1)
    assert all(hurried[hurried.index(True) :])


def test_a_call_that_waits_and_then_comes_at_once_is_hurried() -> None:
    """Keeping its time for ten minutes gives it no right to."""
    lead = fresh()
    assert not any(spoken(lead, begin=0, audio=0, seconds=600))
    assert list(spoken(lead, begin=600, audio=600, seconds=40, speed=1e6))[-1]


def test_a_call_whose_peer_was_away_may_catch_up() -> None:
    """All that was spoken meanwhile may come at once."""
    lead = fresh()
    assert not any(spoken(lead, begin=0, audio=0, seconds=60))
    assert not any(spoken(lead, begin=100, audio=60, seconds=40, speed=1e6))


def test_a_call_that_comes_faster_than_it_is_spoken_is_hurried_soon() -> None:
    """At the pace that a door keeps."""
    hurried = list(spoken(fresh(), begin=0, audio=0, seconds=60, speed=1.25))
    assert hurried.index(True) * CHUNK < 10
    assert all(hurried[hurried.index(True) :])


def test_a_call_that_began_somewhere_else_is_not_hurried_for_ever() -> None:
    """Its first four seconds come at once, then it goes on as it is spoken."""
    lead = fresh()
    assert list(spoken(lead, begin=0, audio=0, seconds=4, speed=1e6))[-1]
    hurried = list(spoken(lead, begin=0, audio=4, seconds=60))
    assert hurried.index(False) * CHUNK == pytest.approx((4 - 1) / 0.1, abs=1)
    assert not any(hurried[hurried.index(False) :])


def test_a_call_that_is_taken_over_goes_on_as_it_was_sent() -> None:
    """Its lead then is the usual one."""
    assert not any(spoken(AudioLead(elapsed=10, audio=25), begin=10, audio=25, seconds=60))
    assert not any(spoken(AudioLead(elapsed=60, audio=20), begin=60, audio=20, seconds=40, speed=1e6))


@given(st.lists(st.tuples(st.floats(0, 100), st.floats(0, 100)), max_size=50))
def test_nothing_is_hurried_that_came_in_the_time_that_it_lasts(steps: list[tuple[float, float]]) -> None:
    """In whatever lumps: as long as no more has come than time has gone by."""
    lead, elapsed, audio = fresh(), 0.0, 0.0
    for time, more in steps:
        elapsed, audio = elapsed + time, min(audio + more, elapsed + time)
        lead.update(elapsed=elapsed, audio=audio)
        assert not lead.hurried
