"""The states of a recording, and the table of legal transitions between them. Pure.

```
            ┌────────────────────────────────┐
accepted ───┤                                ├──▶ completed | no_speech | failed | cancelled
            └──▶ running ────────────────────┘
```

A recording that has ended never changes again: what comes later (a redelivered result, a result that overtook a cancellation)
has no effect.
"""

from collections.abc import Mapping
from enum import StrEnum


class State(StrEnum):
    """Where a recording stands."""

    ACCEPTED = "accepted"
    RUNNING = "running"
    COMPLETED = "completed"
    NO_SPEECH = "no_speech"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def ended(self) -> bool:
        """Whether nothing can change any more."""
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
    """Whether a recording may go from one state to the other. Staying is no transition."""
    return wanted in TRANSITIONS[current]
