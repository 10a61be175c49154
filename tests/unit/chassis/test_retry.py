"""Retry decisions by class of error."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steno.errors import Permanent, Retryable, StenoError
from steno.events.codec import UndecodableRecord
from steno.kafka.errors import KafkaUnavailable
from steno.retry import EACH_SECOND, RetryPolicy, retry

POLICY = RetryPolicy(first_seconds=0.5, longest_seconds=30, unexpected_attempts=4)


def test_back_off_doubles_up_to_the_longest() -> None:
    """Without jitter the waits are 0.5, 1, 2, … and then 30 s for ever."""
    waits = [POLICY.decide(Retryable(), attempt, jitter=lambda: 0.0) for attempt in (1, 2, 3, 6, 7, 8, 10_000)]
    assert waits == [0.5, 1, 2, 16, 30, 30, 30]


@given(attempts=st.integers(1, 10**9), jitter=st.floats(0, 1, exclude_max=True))
def test_a_retryable_error_is_tried_for_ever(attempts: int, jitter: float) -> None:
    """However often it failed, there is a next time within the longest wait, and never less than half of what is due."""
    wait = POLICY.decide(KafkaUnavailable("away"), attempts, jitter=lambda: jitter)
    assert wait is not None
    assert 0.25 <= wait <= 30


def test_an_error_may_say_when() -> None:
    """Not before, and not before the back-off either."""
    waits = [POLICY.decide(Retryable(again_in_seconds=5), attempt, jitter=lambda: 0.0) for attempt in (1, 4, 5, 7)]
    assert waits == [5, 5, 8, 30]
    assert POLICY.decide(KafkaUnavailable("away", again_in_seconds=90), 1) == 90


@pytest.mark.parametrize("error", [Permanent("wrong"), UndecodableRecord("not Avro")])
def test_a_permanent_error_is_never_tried_again(error: Permanent) -> None:
    """The input itself is wrong: dead letters at the first attempt."""
    assert POLICY.decide(error, 1) is None


@pytest.mark.parametrize("error", [KeyError("x"), TimeoutError(), StenoError("neither")])
def test_an_unexpected_error_gets_a_few_attempts(error: Exception) -> None:
    """Three waits, and at the fourth failure it is given up."""
    decisions = [POLICY.decide(error, attempts) is None for attempts in (1, 2, 3, 4, 5)]
    assert decisions == [False, False, False, True, True]


def test_jitter_spreads_over_the_upper_half() -> None:
    """What failed together does not come back together."""
    shares = iter([0.0, 0.25, 0.5, 0.75])
    assert [POLICY.decide(Retryable(), 3, jitter=lambda: next(shares)) for _ in range(4)] == [2, 1.75, 1.5, 1.25]


class Steps:
    """A step that raises what it is told to, and notes the waits between."""

    def __init__(self, *errors: Exception) -> None:
        self._errors = list(errors)
        self.waits: list[float] = []
        self.told: list[tuple[Exception, float]] = []

    async def step(self) -> str:
        if self._errors:
            raise self._errors.pop(0)
        return "done"

    async def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)

    async def retried(self, policy: RetryPolicy) -> str:
        return await retry(self.step, policy, failed=lambda *told: self.told.append(told), sleep=self.sleep)


async def test_a_step_is_taken_again_until_it_succeeds() -> None:
    """Each failure is told with the wait that follows, which is as long as the policy says."""
    errors = [Retryable("away", again_in_seconds=7), *(Retryable("away") for _ in range(9)), KeyError("a bug")]
    steps = Steps(*errors)
    assert await steps.retried(RetryPolicy(first_seconds=1, longest_seconds=4, unexpected_attempts=99)) == "done"
    assert [error for error, _ in steps.told] == errors
    assert [seconds for _, seconds in steps.told] == steps.waits
    assert steps.waits[0] == 7
    assert all(2 <= wait <= 4 for wait in steps.waits[3:-1])


async def test_an_error_of_another_kind_is_the_first_again() -> None:
    """Faults of a dependency take no attempt from a fault of ours, and none of it is waited for longer."""
    away, ours = [Retryable("away")] * 3, [KeyError("a bug")] * 3
    steps = Steps(*ours, *away, *ours, *away)
    assert await steps.retried(RetryPolicy(first_seconds=1, longest_seconds=60)) == "done"
    assert all(2.0 ** (n % 3 - 1) <= wait <= 2.0 ** (n % 3) for n, wait in enumerate(steps.waits))
    with pytest.raises(KeyError):
        await Steps(*away, *ours, *ours).retried(RetryPolicy())


@pytest.mark.parametrize("error", [Permanent("wrong"), KeyError("a bug")])
async def test_what_the_policy_does_not_retry_is_raised(error: Exception) -> None:
    """At once, where only what is away is asked again."""
    steps = Steps(Retryable("away"), error)
    with pytest.raises(type(error)):
        await steps.retried(EACH_SECOND)
    assert len(steps.told) == 1
