"""The pause gate of a call in this process: whether its audio is dropped, and the state that the ledger has. Pure.

The ledger has the state too, because the call may continue in another process, and because the API request may come to another
one. This process writes the pauses of the peer; the process with the API request writes the pauses of the service.
"""

from steno_ingest.calls.ledger.pauses import TRANSITIONS, GateInput, GateState, Transition
from steno_ingest.calls.ledger.view import CallView, Standing


class PauseGate:
    """The gate of one call."""

    def __init__(self) -> None:
        self.state = GateState.OPEN
        #: The state in the ledger, as far as known here.
        self.in_ledger = GateState.OPEN
        #: Whether the ledger still has a request of the service that the peer resumes, which was passed to the peer.
        self.resume_requested = False
        #: Increases with each update of `in_ledger`, so that answers to earlier queries are recognised as outdated.
        self.revision = 0

    @property
    def closed(self) -> bool:
        """Whether the call is paused, so that its audio is dropped."""
        return self.state is not GateState.OPEN

    @property
    def closed_by_peer(self) -> bool:
        """Whether the peer pauses the call, alone or together with the service."""
        return self.state.by_peer

    @property
    def ledger_differs(self) -> bool:
        """Whether the ledger must be updated."""
        return self.resume_requested or self.in_ledger.by_peer is not self.state.by_peer

    def after(self, change: GateInput) -> Transition:
        """Returns the transition of an input, without making it."""
        return TRANSITIONS[self.state][change]

    def apply(self, change: GateInput) -> None:
        """Makes the transition of an input."""
        self.state = self.after(change).to

    def note_ledger(self, state: GateState, *, resume_requested: bool = False) -> None:
        """Records the state in the ledger."""
        self.in_ledger = state
        self.resume_requested = resume_requested
        self.revision += 1

    def change_from_ledger(self, entry: CallView | Standing) -> GateInput | None:
        """Returns the change that the ledger requires, because the service paused or resumed the call in another process.

        The ledger resumes only a pause that is known to be in it; otherwise it may have been read before the pause was written.
        """
        if entry.gate.by_service:
            return None if self.state.by_service else GateInput.SERVICE_PAUSES
        if self.in_ledger.by_service or (entry.resume_asked_by and self.state.by_peer):
            return GateInput.SERVICE_RESUMES
        return None
