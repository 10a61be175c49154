"""The states of a live call, and the table of its legal transitions. Pure.

```
           ┌─────────────────────────────────┐
active ────┤                                 ├──▶ completed | no_speech | failed
           └──▶ ending ──────────────────────┘
```

active: audio arrives; ending: the audio has ended and the transcript has not. A call becomes `completed` or `no_speech` when
both have ended, in either order. After that the state never changes: later records (a redelivered result, the end of the audio
of a failed call) only add details.
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
    """Whether a transition is legal. From a state to itself there is none."""
    return wanted in TRANSITIONS[current]
