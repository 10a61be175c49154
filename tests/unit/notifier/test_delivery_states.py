"""The states of a delivery."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from steno_notifier.delivery_state import (
    SETTLED,
    TRANSITIONS,
    Answer,
    Event,
    IllegalTransition,
    State,
    settle,
    sources,
    target,
    transition,
)
from steno_notifier.schedule import RetrySchedule

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
SCHEDULE = RetrySchedule(delays=[timedelta(seconds=5), timedelta(minutes=5), timedelta(hours=8)])


def answer(status_code: int | None, *, retry_after: timedelta | None = None) -> Answer:
    error = None if status_code is not None and 200 <= status_code < 300 else "it failed"
    return Answer(started_at=START, duration_ms=1, status_code=status_code, error=error, retry_after=retry_after)


def test_every_event_leads_to_one_state() -> None:
    """So a row can be changed by an event without looking at it first."""
    for event in Event:
        assert sources(event)
        assert {transition(state, event) for state in sources(event)} == {target(event)}


def test_what_is_not_in_the_table_is_illegal() -> None:
    """Every other pair of state and event raises, and says which."""
    for state in State:
        for event in Event:
            if (state, event) not in TRANSITIONS:
                with pytest.raises(IllegalTransition, match=rf"{state}.*{event}"):
                    transition(state, event)


def test_only_a_replay_leaves_a_settled_state() -> None:
    """What came to an end stays so until someone asks; what was cancelled stays so for good."""
    leaving = {(state, event) for state, event in TRANSITIONS if state in SETTLED}
    assert leaving == {(State.DELIVERED, Event.REPLAYED), (State.FAILED, Event.REPLAYED)}


@pytest.mark.parametrize("status_code", [200, 201, 204, 299])
def test_2xx_is_success(status_code: int) -> None:
    """Any 2xx acknowledges."""
    assert settle(answer(status_code), tries=1, now=START, schedule=SCHEDULE, chance=0).event is Event.ACKNOWLEDGED


@pytest.mark.parametrize("status_code", [None, 100, 199, 300, 302, 400, 404, 500, 503])
def test_everything_else_is_tried_again(status_code: int | None) -> None:
    """No answer, a redirect and every error are failures that are tried again."""
    settlement = settle(answer(status_code), tries=1, now=START, schedule=SCHEDULE, chance=0)
    assert (settlement.event, settlement.due_at) == (Event.POSTPONED, START + timedelta(seconds=5))


def test_410_gives_up_at_once_and_says_how_to_go_on() -> None:
    """A receiver that is gone is not asked again."""
    settlement = settle(answer(410), tries=1, now=START, schedule=SCHEDULE, chance=0)
    assert settlement.event is Event.GIVEN_UP
    assert "410" in (settlement.reason or "")
    assert "anew" in (settlement.reason or "")


def test_retry_after_puts_off_but_never_brings_forward() -> None:
    """The later of the schedule and the receiver's wish counts, and the receiver is left alone until then."""
    long, short = (
        settle(answer(429, retry_after=pause), tries=2, now=START, schedule=SCHEDULE, chance=0)
        for pause in (timedelta(hours=1), timedelta(seconds=1))
    )
    assert (long.due_at, long.pause_until) == (START + timedelta(hours=1), START + timedelta(hours=1))
    assert (short.due_at, short.pause_until) == (START + timedelta(minutes=5), START + timedelta(seconds=1))


class DeliveryMachine(RuleBasedStateMachine):
    """A delivery under anything that may happen to it, by the functions that the database's changes are made of."""

    def __init__(self) -> None:
        super().__init__()
        self.now = START
        self.state = State.PENDING
        self.due_at: datetime | None = START
        self.tries = 0
        self.last_status: int | None = None

    @rule(seconds=st.integers(0, 100_000))
    def time_passes(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)

    @precondition(lambda self: self.due_at is not None and self.due_at <= self.now)
    @rule()
    def is_claimed(self) -> None:
        self.state = transition(self.state, Event.CLAIMED)
        self.due_at = self.now + timedelta(seconds=30)

    @precondition(lambda self: self.state is State.DELIVERING)
    @rule(
        status_code=st.one_of(st.none(), st.sampled_from([200, 204, 302, 404, 410, 429, 500, 503])),
        retry_after=st.one_of(st.none(), st.integers(0, 86_400)),
        chance=st.floats(0, 1, exclude_max=True),
    )
    def is_answered(self, status_code: int | None, retry_after: int | None, chance: float) -> None:
        pause = timedelta(seconds=retry_after) if retry_after is not None and status_code in (429, 503) else None
        self.tries += 1
        settlement = settle(
            answer(status_code, retry_after=pause), tries=self.tries, now=self.now, schedule=SCHEDULE, chance=chance
        )
        self.state = transition(self.state, settlement.event)
        self.due_at = settlement.due_at
        self.last_status = status_code
        if settlement.due_at is not None:
            assert settlement.due_at >= self.now + SCHEDULE.delays[self.tries - 1]
            assert pause is None or settlement.due_at >= self.now + pause

    @precondition(lambda self: self.state is State.DELIVERING)
    @rule()
    def its_sender_is_restarted(self) -> None:
        self.state = transition(self.state, Event.RELEASED)
        self.due_at = self.now

    @precondition(lambda self: self.state in sources(Event.WITHDRAWN))
    @rule()
    def its_webhook_is_deleted(self) -> None:
        self.state = transition(self.state, Event.WITHDRAWN)
        self.due_at = None

    @precondition(lambda self: self.state in sources(Event.REPLAYED))
    @rule()
    def is_replayed(self) -> None:
        self.state = transition(self.state, Event.REPLAYED)
        self.due_at, self.tries, self.last_status = self.now, 0, None

    @invariant()
    def is_due_unless_settled(self) -> None:
        assert (self.due_at is None) == (self.state in SETTLED)

    @invariant()
    def is_delivered_by_2xx_only(self) -> None:
        delivered = self.last_status is not None and 200 <= self.last_status < 300
        assert (self.state is State.DELIVERED) == delivered

    @invariant()
    def is_tried_as_often_as_the_schedule_says(self) -> None:
        assert self.tries <= len(SCHEDULE.delays) + 1
        if self.state is State.FAILED and self.last_status != 410:
            assert self.tries == len(SCHEDULE.delays) + 1


TestDeliveryMachine = DeliveryMachine.TestCase
