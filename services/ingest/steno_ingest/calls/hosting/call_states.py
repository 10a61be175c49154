"""The state machine of a live call's session: its states, its inputs and the transitions. Pure."""

from collections.abc import Mapping
from enum import StrEnum


class State(StrEnum):
    """States of a session."""

    NEW = "new"
    FLOWING = "flowing"
    PAUSED = "paused"
    ENDED = "ended"


class Input(StrEnum):
    """Inputs of a session."""

    START = "start"
    START_PAUSED = "start_paused"
    AUDIO = "audio"
    GAP = "gap"
    PAUSE = "pause"
    #: One of those who hold the gate lets go, and another holds it still.
    RELEASE = "release"
    RESUME = "resume"
    DTMF = "dtmf"
    UPDATE = "update"
    ROLES = "roles"
    END = "end"


_ANY_TIME = dict.fromkeys((Input.AUDIO, Input.GAP, Input.DTMF, Input.UPDATE, Input.ROLES))

TRANSITIONS: Mapping[State, Mapping[Input, State]] = {
    State.NEW: {Input.START: State.FLOWING, Input.START_PAUSED: State.PAUSED},
    State.FLOWING: {
        **dict.fromkeys(_ANY_TIME, State.FLOWING),
        Input.PAUSE: State.PAUSED,
        Input.RESUME: State.FLOWING,
        Input.END: State.ENDED,
    },
    State.PAUSED: {
        **dict.fromkeys(_ANY_TIME, State.PAUSED),
        Input.PAUSE: State.PAUSED,
        Input.RELEASE: State.PAUSED,
        Input.RESUME: State.FLOWING,
        Input.END: State.ENDED,
    },
    State.ENDED: {},
}
"""The legal transitions; everything else raises `IllegalInput`."""


class Holder(StrEnum):
    """Who holds the gate of a call."""

    PEER = "peer"
    #: Whoever asked by the API.
    SERVICE = "service"
