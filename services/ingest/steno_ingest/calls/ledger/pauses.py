"""The transition table of pauses: who pauses a call, and what its peer is asked to do. Pure.

The peer and the service (a request by the API) pause a call independently, so that neither resumes it for the other:

| state      | peer pauses | peer resumes           | service pauses         | service resumes       |
|------------|-------------|------------------------|------------------------|-----------------------|
| open       | by peer     | open                   | by service; ask: pause | open; ask: resume     |
| by peer    | by peer     | open                   | by both; ask: pause    | by peer; ask: resume  |
| by service | by both     | by service; ask: pause | by service             | open; ask: resume     |
| by both    | by both     | by service; ask: pause | by both                | by peer; ask: resume  |

"ask" is what the peer is asked to do. Both the process with the peer (`hosting.gate`) and the ledger use this table; other
processes read the state from the ledger and write API requests there.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Holder(StrEnum):
    """Who pauses a call."""

    PEER = "peer"
    #: A request by the API.
    SERVICE = "service"


class GateState(StrEnum):
    """The states of a pause gate."""

    OPEN = "open"
    BY_PEER = "by_peer"
    BY_SERVICE = "by_service"
    BY_BOTH = "by_both"

    @property
    def by_peer(self) -> bool:
        """Whether the peer pauses the call, alone or together with the service."""
        return self in (GateState.BY_PEER, GateState.BY_BOTH)

    @property
    def by_service(self) -> bool:
        """Whether the service pauses the call, alone or together with the peer."""
        return self in (GateState.BY_SERVICE, GateState.BY_BOTH)


class GateInput(StrEnum):
    """The inputs of a pause gate."""

    PEER_PAUSES = "peer_pauses"
    PEER_RESUMES = "peer_resumes"
    SERVICE_PAUSES = "service_pauses"
    SERVICE_RESUMES = "service_resumes"


class Ask(StrEnum):
    """The requests to the peer."""

    PAUSE = "pause"
    RESUME = "resume"


@dataclass(frozen=True, slots=True)
class Transition:
    """The result of an input: the next state, and a request to the peer."""

    to: GateState
    ask: Ask | None = None


TRANSITIONS: Mapping[GateState, Mapping[GateInput, Transition]] = {
    GateState.OPEN: {
        GateInput.PEER_PAUSES: Transition(GateState.BY_PEER),
        GateInput.PEER_RESUMES: Transition(GateState.OPEN),
        GateInput.SERVICE_PAUSES: Transition(GateState.BY_SERVICE, Ask.PAUSE),
        GateInput.SERVICE_RESUMES: Transition(GateState.OPEN, Ask.RESUME),
    },
    GateState.BY_PEER: {
        GateInput.PEER_PAUSES: Transition(GateState.BY_PEER),
        GateInput.PEER_RESUMES: Transition(GateState.OPEN),
        GateInput.SERVICE_PAUSES: Transition(GateState.BY_BOTH, Ask.PAUSE),
        GateInput.SERVICE_RESUMES: Transition(GateState.BY_PEER, Ask.RESUME),
    },
    GateState.BY_SERVICE: {
        GateInput.PEER_PAUSES: Transition(GateState.BY_BOTH),
        GateInput.PEER_RESUMES: Transition(GateState.BY_SERVICE, Ask.PAUSE),
        GateInput.SERVICE_PAUSES: Transition(GateState.BY_SERVICE),
        GateInput.SERVICE_RESUMES: Transition(GateState.OPEN, Ask.RESUME),
    },
    GateState.BY_BOTH: {
        GateInput.PEER_PAUSES: Transition(GateState.BY_BOTH),
        GateInput.PEER_RESUMES: Transition(GateState.BY_SERVICE, Ask.PAUSE),
        GateInput.SERVICE_PAUSES: Transition(GateState.BY_BOTH),
        GateInput.SERVICE_RESUMES: Transition(GateState.BY_PEER, Ask.RESUME),
    },
}
"""The transition table above."""

PAUSES: Mapping[Holder, GateInput] = {Holder.PEER: GateInput.PEER_PAUSES, Holder.SERVICE: GateInput.SERVICE_PAUSES}
RESUMES: Mapping[Holder, GateInput] = {Holder.PEER: GateInput.PEER_RESUMES, Holder.SERVICE: GateInput.SERVICE_RESUMES}
