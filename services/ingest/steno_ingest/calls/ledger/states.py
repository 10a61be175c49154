"""The states of a live call, and the table of its legal transitions. Pure.

```
           ┌─────────────────────────────────┐
active ────┤                                 ├──▶ completed | no_speech | failed
           └──▶ ending ──────────────────────┘
```

active: people speak; ending: the audio is over and its transcript is not. A call is completed, or without speech, when both are
over, whichever came first. A call that has ended never changes its state again: what comes later (a redelivered result, the end
of the audio of a failed call) only adds what is known.
"""

from collections.abc import Mapping

from steno.events.records import CallStatus

_ENDS = frozenset({CallStatus.COMPLETED, CallStatus.NO_SPEECH, CallStatus.FAILED})

TRANSITIONS: Mapping[CallStatus, frozenset[CallStatus]] = {
    CallStatus.ACTIVE: _ENDS | {CallStatus.ENDING},
    CallStatus.ENDING: _ENDS,
    CallStatus.COMPLETED: frozenset(),
    CallStatus.NO_SPEECH: frozenset(),
    CallStatus.FAILED: frozenset(),
}

ENDED = tuple(state for state in CallStatus if not TRANSITIONS[state])


def may_become(current: CallStatus, wanted: CallStatus) -> bool:
    """Whether a call may go from one state to the other. Staying is no transition."""
    return wanted in TRANSITIONS[current]
