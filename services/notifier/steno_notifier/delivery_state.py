"""The states of a delivery, its transitions, and the transition that follows from the receiver's answer.

Pure: no clock, no database, no HTTP. Whoever stores a delivery changes its state by `TRANSITIONS` only.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from steno_notifier.schedule import RetrySchedule


class State(StrEnum):
    """The state of a delivery."""

    #: Waits for its due time.
    PENDING = "pending"
    #: A sender holds it under a lease.
    DELIVERING = "delivering"
    #: The receiver answered 2xx.
    DELIVERED = "delivered"
    #: Given up after the last retry, or the receiver said 410; can be replayed.
    FAILED = "failed"
    #: Its webhook was deleted.
    CANCELLED = "cancelled"


class Event(StrEnum):
    """An event that changes the state of a delivery."""

    #: A sender takes it: it was due, or the lease of the one before ran out.
    CLAIMED = "claimed"
    #: The receiver answered 2xx.
    ACKNOWLEDGED = "acknowledged"
    #: The attempt failed and another one is left.
    POSTPONED = "postponed"
    #: The sender that held it was restarted.
    RELEASED = "released"
    #: No attempt is left, or the receiver is gone.
    GIVEN_UP = "given_up"
    #: The webhook was deleted.
    WITHDRAWN = "withdrawn"
    #: Someone asked for it to be sent again.
    REPLAYED = "replayed"


TRANSITIONS: Mapping[tuple[State, Event], State] = {
    (State.PENDING, Event.CLAIMED): State.DELIVERING,
    (State.PENDING, Event.GIVEN_UP): State.FAILED,
    (State.PENDING, Event.WITHDRAWN): State.CANCELLED,
    (State.DELIVERING, Event.CLAIMED): State.DELIVERING,
    (State.DELIVERING, Event.ACKNOWLEDGED): State.DELIVERED,
    (State.DELIVERING, Event.POSTPONED): State.PENDING,
    (State.DELIVERING, Event.RELEASED): State.PENDING,
    (State.DELIVERING, Event.GIVEN_UP): State.FAILED,
    (State.DELIVERING, Event.WITHDRAWN): State.CANCELLED,
    (State.DELIVERED, Event.REPLAYED): State.PENDING,
    (State.FAILED, Event.REPLAYED): State.PENDING,
}

SETTLED = frozenset({State.DELIVERED, State.FAILED, State.CANCELLED})
"""States that change only by a replay."""


class IllegalTransition(Exception):
    """An event that a delivery's state does not allow."""


def transition(state: State, event: Event) -> State:
    """Returns the state after an event.

    Raises:
        IllegalTransition: the event is not allowed in this state.
    """
    try:
        return TRANSITIONS[state, event]
    except KeyError:
        raise IllegalTransition(f"a delivery that is {state} cannot be {event}") from None


def sources(event: Event) -> tuple[State, ...]:
    """The states in which an event is allowed."""
    return tuple(state for state, possible in TRANSITIONS if possible is event)


def target(event: Event) -> State:
    """The state that an event leads to."""
    (state,) = {after for (_, happened), after in TRANSITIONS.items() if happened is event}
    return state


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """The outcome of one attempt."""

    started_at: datetime
    duration_ms: int
    #: None where no HTTP answer came.
    status_code: int | None = None
    #: Why the attempt failed, for a person; None where it did not.
    error: str | None = None
    #: What the receiver asked for by Retry-After.
    retry_after: timedelta | None = None

    @property
    def acknowledged(self) -> bool:
        """Whether the receiver accepted it: 2xx only (Standard Webhooks, "Response codes")."""
        return self.status_code is not None and 200 <= self.status_code < 300

    @property
    def gone(self) -> bool:
        """Whether the receiver asked for no more deliveries (410)."""
        return self.status_code == 410


@dataclass(frozen=True, kw_only=True, slots=True)
class Settlement:
    """The change that an answer makes to its delivery."""

    event: Event
    #: When it is tried again; None where it is settled.
    due_at: datetime | None = None
    #: Until when the receiver wants to be left alone, all its deliveries.
    pause_until: datetime | None = None
    reason: str | None = None


def settle(answer: Answer, *, tries: int, now: datetime, schedule: RetrySchedule, chance: float) -> Settlement:
    """Decides what follows from an attempt.

    Args:
        tries: attempts answered since it was queued or replayed, this one included.
        chance: in [0, 1), spreads the retries.
    """
    if answer.acknowledged:
        return Settlement(event=Event.ACKNOWLEDGED)
    if answer.gone:
        return Settlement(event=Event.GIVEN_UP, reason="the receiver answered 410 Gone; register or change the webhook anew")
    pause_until = now + answer.retry_after if answer.retry_after is not None else None
    delay = schedule.delay_after(tries, chance=chance)
    if delay is None:
        return Settlement(
            event=Event.GIVEN_UP, pause_until=pause_until, reason=f"given up after {tries} attempts: {answer.error}"
        )
    due_at = now + delay
    if pause_until is not None:
        due_at = max(due_at, pause_until)
    return Settlement(event=Event.POSTPONED, due_at=due_at, pause_until=pause_until, reason=answer.error)
