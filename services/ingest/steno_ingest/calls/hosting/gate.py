"""The pause gate of a call: who pauses it, and whether its audio is dropped. Pure, and the only place where that is decided.

The peer and the service (whoever asked by the API) pause a call each for themselves, so that neither resumes it for the other:

| state      | peer pauses | peer resumes           | service pauses         | service resumes       |
|------------|-------------|------------------------|------------------------|-----------------------|
| open       | by peer     | open                   | by service; ask: pause | open; ask: resume     |
| by peer    | by peer     | open                   | by both; ask: pause    | by peer; ask: resume  |
| by service | by both     | by service; ask: pause | by service             | open; ask: resume     |
| by both    | by both     | by service; ask: pause | by both                | by peer; ask: resume  |

"ask" is what the peer is asked to do. The gate also keeps what the ledger has of it, because a call may go on at another
process, which reads there whether it is paused.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Holder(StrEnum):
    """Who pauses a call."""

    PEER = "peer"
    #: Whoever asked by the API.
    SERVICE = "service"


class GateState(StrEnum):
    """Who pauses the call now."""

    OPEN = "open"
    BY_PEER = "by_peer"
    BY_SERVICE = "by_service"
    BY_BOTH = "by_both"


class GateInput(StrEnum):
    """What changes a gate."""

    PEER_PAUSES = "peer_pauses"
    PEER_RESUMES = "peer_resumes"
    SERVICE_PAUSES = "service_pauses"
    SERVICE_RESUMES = "service_resumes"


class Ask(StrEnum):
    """What the peer is asked to do."""

    PAUSE = "pause"
    RESUME = "resume"


@dataclass(frozen=True, slots=True)
class Transition:
    """What an input leads to."""

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
"""The table above."""

PAUSES: Mapping[Holder, GateInput] = {Holder.PEER: GateInput.PEER_PAUSES, Holder.SERVICE: GateInput.SERVICE_PAUSES}
RESUMES: Mapping[Holder, GateInput] = {Holder.PEER: GateInput.PEER_RESUMES, Holder.SERVICE: GateInput.SERVICE_RESUMES}

_BY_PEER = frozenset({GateState.BY_PEER, GateState.BY_BOTH})


class PauseGate:
    """The gate of one call."""

    def __init__(self) -> None:
        self.state = GateState.OPEN
        #: Whether the ledger has the call paused, as far as is known here.
        self.ledger_paused = False
        #: Rises whenever that is learnt; what the ledger was asked before is out of date then.
        self.revision = 0

    @property
    def closed(self) -> bool:
        """Whether the call is paused: its audio is dropped."""
        return self.state is not GateState.OPEN

    @property
    def closed_by_peer(self) -> bool:
        """Whether the peer pauses the call, alone or beside the service."""
        return self.state in _BY_PEER

    @property
    def ledger_differs(self) -> bool:
        """Whether the ledger has it otherwise, and is to be told."""
        return self.ledger_paused is not self.closed

    def after(self, told: GateInput) -> Transition:
        """What an input would lead to."""
        return TRANSITIONS[self.state][told]

    def apply(self, told: GateInput) -> None:
        """Takes an input."""
        self.state = self.after(told).to

    def note_ledger(self, *, paused: bool) -> None:
        """Learns that the ledger has the call paused, or not."""
        self.ledger_paused = paused
        self.revision += 1

    def asked_by_ledger(self, *, paused: bool, requested_by: str) -> GateInput | None:
        """What the ledger, read again, asks for: somebody paused or resumed the call at another process.

        Args:
            paused: Whether it has the call paused.
            requested_by: Who asked by the API; empty where the peer pauses.
        """
        if paused:
            return GateInput.SERVICE_PAUSES if requested_by else None
        return GateInput.SERVICE_RESUMES if self.ledger_paused else None
