"""When the dead-letter breaker opens."""

from hypothesis import given
from hypothesis import strategies as st

from steno.kafka.breaker import Breaker


def test_a_run_of_dead_letters_opens_it() -> None:
    """The run limit is reached without a success in between."""
    breaker = Breaker(run_limit=3)
    breaker.dead_lettered()
    breaker.dead_lettered()
    assert breaker.reason is None
    breaker.dead_lettered()
    assert breaker.reason == "3 records in a row went to dead letters"


def test_a_success_ends_the_run() -> None:
    """Single poison records among good ones never open it."""
    breaker = Breaker(run_limit=2, window=10)
    for _ in range(100):
        breaker.dead_lettered()
        for _ in range(2):
            breaker.handled()
    assert breaker.reason is None


def test_a_large_share_opens_it_without_a_run() -> None:
    """Every second record to dead letters is no accident."""
    breaker = Breaker(run_limit=100, share_limit=0.5, window=10)
    for _ in range(5):
        breaker.handled()
        assert breaker.reason is None
        breaker.dead_lettered()
    assert breaker.reason == "5 of the last 10 records went to dead letters"


@given(st.lists(st.booleans(), max_size=200))
def test_it_opens_exactly_when_a_simple_count_says_so(dead: list[bool]) -> None:
    """Against a model that looks at the whole history at each step."""
    breaker = Breaker(run_limit=6, share_limit=0.6, window=20)
    opened = False
    for seen in range(1, len(dead) + 1):
        if dead[seen - 1]:
            breaker.dead_lettered()
            opened |= seen >= 6 and all(dead[seen - 6 : seen])
            opened |= seen >= 20 and sum(dead[seen - 20 : seen]) >= 12
        else:
            breaker.handled()
        assert (breaker.reason is not None) == opened


def test_it_stays_open() -> None:
    """Only a new process closes it."""
    breaker = Breaker(run_limit=1)
    breaker.dead_lettered()
    breaker.handled()
    assert breaker.reason is not None
