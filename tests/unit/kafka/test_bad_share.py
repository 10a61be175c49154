"""A topic of which most is unusable is noticed, and what is logged of it stays bounded."""

from steno.kafka.bad_share import ENOUGH, WINDOW, BadShare
from steno.kafka.log_limiter import AT_FIRST, EVERY_SECONDS, LogLimiter


def test_a_topic_of_which_half_is_bad_is_noticed_once() -> None:
    """Not before enough has come; and again only when it has been good in between."""
    share = BadShare()
    assert [number for number in range(2 * WINDOW) if share.note(number % 2 == 1)] == [ENOUGH - 1]
    assert share.mostly_bad
    assert [number for number in range(2 * WINDOW) if share.note(False)] == [WINDOW // 2 - 1]
    assert (share.mostly_bad, share.share) == (False, 0.0)


def test_single_bad_records_say_nothing_of_a_topic() -> None:
    """A tenth of it, for ever."""
    share = BadShare()
    assert not any(share.note(number % 10 == 0) for number in range(5000))
    assert share.share == 0.1


def test_of_many_lines_the_first_are_logged_then_one_in_a_while() -> None:
    """Each logged line says how many were left out before it."""
    limiter = LogLimiter()
    assert [limiter.left_out("a", 0.001 * number) for number in range(1000)] == [0] * AT_FIRST + [None] * (1000 - AT_FIRST)
    assert limiter.left_out("b", 1.0) == 0
    assert limiter.left_out("a", 1 + EVERY_SECONDS) == 1000 - AT_FIRST
    assert limiter.left_out("a", 1.1 + EVERY_SECONDS) is None
    assert limiter.left_out("a", 2 + 2 * EVERY_SECONDS) == 1
    assert limiter.left_out("a", 3 + 3 * EVERY_SECONDS) == 0
    assert limiter.left_out("a", 3.1 + 3 * EVERY_SECONDS) == 0
