"""What follows where a recording could not be fetched."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from steno_transcriber.fetch.errors import FetchGivenUp, FetchLater, NotThereYet, RecordingMissing, SourceFailed
from steno_transcriber.fetch.limits import FetchLimits
from steno_transcriber.fetch.retries import FORGOTTEN_AFTER_SECONDS, FetchHistory

URL = "https://recorder.example/a.wav"
LIMITS = FetchLimits(
    max_bytes=1, connect_seconds=1, read_seconds=1, total_seconds=1, attempts=4, give_up_seconds=600, missing_seconds=120
)


def missing(patience: FetchHistory, now: float, *, again: float = 0) -> float:
    """How long a recording that is not there has to wait."""
    with pytest.raises(FetchLater) as later, patience.attempts_at(URL, now) as asking:
        asking.handle_missing(NotThereYet("not there", again_in_seconds=again), now)
    return later.value.again_in_seconds


def test_what_is_not_there_comes_again_until_its_time_is_over() -> None:
    """Then it is missing, and the next time it begins anew."""
    patience = FetchHistory(LIMITS)
    for now in (0, 1, 60, 119):
        assert missing(patience, now) == 0
    with pytest.raises(RecordingMissing, match="not there; asked again for 120 s"), patience.attempts_at(URL, 120) as asking:
        asking.handle_missing(NotThereYet("not there"), 120)
    assert missing(patience, 121) == 0


def test_without_time_for_it_what_is_not_there_is_missing() -> None:
    """At once, and nothing is said of having asked again."""
    limits = FetchLimits(max_bytes=1, connect_seconds=1, read_seconds=1, total_seconds=1, attempts=4, give_up_seconds=600)
    with pytest.raises(RecordingMissing, match=r"^not there$"), FetchHistory(limits).attempts_at(URL, 0) as asking:
        asking.handle_missing(NotThereYet("not there"), 0)


def test_a_server_says_when_to_come_again() -> None:
    """Up to what is left of the time."""
    patience = FetchHistory(LIMITS)
    assert [missing(patience, now, again=again) for now, again in ((0, 30), (30, 500), (100, 7))] == [30, 90, 7]


def test_what_was_there_or_never_came_again_begins_anew() -> None:
    """Nothing is held against it."""
    patience = FetchHistory(LIMITS)
    missing(patience, 0)
    with patience.attempts_at(URL, 100):
        pass
    assert missing(patience, 130, again=500) == 120
    now = 130 + 120 + FORGOTTEN_AFTER_SECONDS + 1
    assert missing(patience, now, again=500) == 120


def test_attempts_are_counted_over_long_pauses() -> None:
    """Short pauses are made here, long ones without a place; both count."""
    patience = FetchHistory(LIMITS)
    with patience.attempts_at(URL, 0) as asking:
        assert 0.5 <= asking.handle_failure(SourceFailed("503"), 0) <= 1
        assert asking.handle_failure(SourceFailed("503", again_in_seconds=4), 1) == 4
        with pytest.raises(FetchLater) as later:
            asking.handle_failure(SourceFailed("503", again_in_seconds=60), 5)
    assert later.value.again_in_seconds == 60


def test_a_source_that_always_asks_for_time_is_given_up() -> None:
    """After as many attempts as any."""
    patience = FetchHistory(LIMITS)
    for now in (0, 60, 120):
        with pytest.raises(FetchLater), patience.attempts_at(URL, now) as asking:
            asking.handle_failure(SourceFailed("503", again_in_seconds=60), now)
    with pytest.raises(FetchGivenUp, match="503; given up after 4 attempts"), patience.attempts_at(URL, 180) as asking:
        asking.handle_failure(SourceFailed("503", again_in_seconds=60), 180)


def test_troubles_after_it_was_missing_have_attempts_of_their_own() -> None:
    """However long it was missing."""
    patience = FetchHistory(LIMITS)
    for now in range(0, 100, 10):
        missing(patience, now)
    with patience.attempts_at(URL, 100) as asking:
        for attempt in range(1, 4):
            asking.handle_failure(SourceFailed("500"), 100)
            assert asking.attempts == attempt
        with pytest.raises(FetchGivenUp, match="after 4 attempts"):
            asking.handle_failure(SourceFailed("500"), 100)


@given(chance=st.randoms(use_true_random=False), share_missing=st.floats(0, 1))
def test_every_recording_comes_to_an_end(chance: Random, share_missing: float) -> None:
    """Whatever its source answers, and however often it changes its mind: within the time that there is for each."""
    patience, now, attempts = FetchHistory(LIMITS), 0.0, 0
    while attempts < 300:
        try:
            with patience.attempts_at(URL, now) as asking:
                while True:
                    attempts += 1
                    again = chance.choice((0, 1, 10, 1e6))
                    if chance.random() < share_missing:
                        asking.handle_missing(NotThereYet("404", again_in_seconds=again), now)
                    now += 0.5 + asking.handle_failure(SourceFailed("503", again_in_seconds=again), now)
        except FetchLater as later:
            now += 0.5 + later.again_in_seconds
        except (RecordingMissing, FetchGivenUp):
            assert now <= 2 * LIMITS.give_up_seconds + LIMITS.missing_seconds + attempts
            return
    raise AssertionError(f"still asked for after {now:.0f} s")
