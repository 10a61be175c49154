"""How an ingest that is to go waits for its calls (`deploy/kubernetes/base/wait_for_calls.py`)."""

from collections.abc import Iterator

from hypothesis import given
from hypothesis import strategies as st
from kubernetes.base.wait_for_calls import POLL_SECONDS, SETTLE_SECONDS, open_calls, wait
from prometheus_client import CollectorRegistry, Gauge, generate_latest
from steno_ingest import metrics

LIMIT = 60.0


class Clock:
    """Time that passes only while something sleeps."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def shown(calls: int) -> str:
    """What ingest's `/metrics` tells of so many calls."""
    registry = CollectorRegistry()
    Gauge(next(iter(metrics.CALLS_HOSTED.describe())).name, "Calls.", registry=registry).set(calls)
    return generate_latest(registry).decode()


@given(calls=st.integers(0, 10_000))
def test_the_calls_are_read_from_the_metrics_of_ingest(calls: int) -> None:
    """By the name and in the form that ingest itself uses."""
    assert open_calls(shown(calls)) == calls


@given(counts=st.lists(st.integers(0, 3), max_size=50))
def test_it_waits_until_there_are_no_calls_and_no_longer(counts: list[int]) -> None:
    """Never less than proxies need, never more than it may, and not once more after a look that found none."""
    clock, looks = Clock(), iter([*counts, 0])
    left = wait(lambda: shown(next(looks)), seconds=LIMIT, clock=clock, sleep=clock.sleep)
    quiet = [*counts, 0].index(0)
    assert clock.now == SETTLE_SECONDS + POLL_SECONDS * min(quiet, -((SETTLE_SECONDS - LIMIT) // POLL_SECONDS))
    assert clock.now <= LIMIT + POLL_SECONDS
    assert bool(left) == (SETTLE_SECONDS + POLL_SECONDS * quiet > clock.now)


def test_a_process_that_is_gone_is_not_waited_for() -> None:
    """Then there are no calls either."""
    clock = Clock()

    def read() -> str:
        raise ConnectionRefusedError

    assert wait(read, seconds=LIMIT, clock=clock, sleep=clock.sleep) == 0
    assert clock.now == SETTLE_SECONDS


def test_metrics_without_calls_are_none_to_wait_for() -> None:
    """An answer of something else holds the end of the pod up for nothing."""
    answers: Iterator[str] = iter(["", "# HELP steno_ingest_calls_hosted 5\n", "steno_ingest_calls_hosted_total 5\n"])
    assert [open_calls(answer) for answer in answers] == [0, 0, 0]
