"""The pause gate of a call whose peer is connected here: whether its audio is dropped, and what the ledger has of it. Pure.

The ledger has it too because a call may go on at another process, and because the service may be asked at another one. It is
told what the peer does; what the service does is written there by whoever was asked.
"""

from steno_ingest.calls.ledger.pauses import TRANSITIONS, GateInput, GateState, Transition
from steno_ingest.calls.ledger.view import CallView, Standing


class PauseGate:
    """The gate of one call."""

    def __init__(self) -> None:
        self.state = GateState.OPEN
        #: How the ledger has it, as far as is known here.
        self.in_ledger = GateState.OPEN
        #: Whether the ledger has that the service wants the peer to go on, which the peer was asked.
        self.asked = False
        #: Rises whenever something of the ledger is learnt; what it was asked before is out of date then.
        self.revision = 0

    @property
    def closed(self) -> bool:
        """Whether the call is paused: its audio is dropped."""
        return self.state is not GateState.OPEN

    @property
    def closed_by_peer(self) -> bool:
        """Whether the peer pauses the call, alone or beside the service."""
        return self.state.by_peer

    @property
    def ledger_differs(self) -> bool:
        """Whether the ledger is to be told how the peer stands."""
        return self.asked or self.in_ledger.by_peer is not self.state.by_peer

    def after(self, told: GateInput) -> Transition:
        """What an input would lead to."""
        return TRANSITIONS[self.state][told]

    def apply(self, told: GateInput) -> None:
        """Takes an input."""
        self.state = self.after(told).to

    def note_ledger(self, state: GateState, *, asked: bool = False) -> None:
        """Learns how the ledger has the gate."""
        self.in_ledger = state
        self.asked = asked
        self.revision += 1

    def asked_by_ledger(self, entry: CallView | Standing) -> GateInput | None:
        """What the ledger, read again, asks for: somebody paused or resumed the call at another process.

        What is not known to stand in the ledger resumes nothing: it may have been read before the pause was written.
        """
        if entry.gate.by_service:
            return None if self.state.by_service else GateInput.SERVICE_PAUSES
        if self.in_ledger.by_service or (entry.resume_asked_by and self.state.by_peer):
            return GateInput.SERVICE_RESUMES
        return None
