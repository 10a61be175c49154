"""The states of a recording, and the table of legal transitions between them. Pure.

```
            ┌────────────────────────────────┐
accepted ───┤                                ├──▶ completed | no_speech | failed | cancelled
            └──▶ running ────────────────────┘
```

A recording that has ended never changes again: later results (a redelivered one, one that arrives after a cancellation) have
no effect.
"""

from collections.abc import Mapping
from enum import StrEnum


class State(StrEnum):
    """The state of a recording."""

    ACCEPTED = "accepted"
    RUNNING = "running"
    COMPLETED = "completed"
    NO_SPEECH = "no_speech"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def ended(self) -> bool:
        """Whether the state is final."""
        return not TRANSITIONS[self]


_ENDS = frozenset({State.COMPLETED, State.NO_SPEECH, State.FAILED, State.CANCELLED})

TRANSITIONS: Mapping[State, frozenset[State]] = {
    State.ACCEPTED: _ENDS | {State.RUNNING},
    State.RUNNING: _ENDS,
    State.COMPLETED: frozenset(),
    State.NO_SPEECH: frozenset(),
    State.FAILED: frozenset(),
    State.CANCELLED: frozenset(),
}

ENDED = tuple(state for state in State if state.ended)


def may_become(current: State, wanted: State) -> bool:
    """Whether a transition is legal. From a state to itself there is none."""
    return wanted in TRANSITIONS[current]
