"""Whether the machine has time to spare: told how late the event loop comes to what is due."""

from steno_transcriber.live.loop_lag import LATE_SECONDS, LoopLag

LOOKS_A_SECOND = 20


def test_there_is_time_until_the_loop_comes_late() -> None:
    """A worker that has just begun has time."""
    assert LoopLag().spare


def test_one_hiccup_is_forgiven_within_two_seconds() -> None:
    """A tenth of a second late once, and in time from then on."""
    loop_lag = LoopLag()
    loop_lag.add_delay(0.1)
    assert not loop_lag.spare
    for _ in range(2 * LOOKS_A_SECOND):
        loop_lag.add_delay(0.0)
    assert loop_lag.spare


def test_a_loop_that_is_always_late_has_no_time() -> None:
    """Within a second it is known, and as long as it lasts."""
    loop_lag = LoopLag()
    for _ in range(LOOKS_A_SECOND):
        loop_lag.add_delay(2 * LATE_SECONDS)
    assert not loop_lag.spare


def test_what_every_loop_is_late_by_is_no_want() -> None:
    """A millisecond is what timers cost."""
    loop_lag = LoopLag()
    for _ in range(10 * LOOKS_A_SECOND):
        loop_lag.add_delay(0.001)
    assert loop_lag.spare
