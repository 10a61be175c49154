"""A hosted call is a call in this process: it has a session, a sender to the call log, and the connection of its peer."""

from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

import structlog

from steno.events.records import GapReason
from steno.tenants import Caller
from steno_ingest.calls.doors.actions import Audio, Dtmf, Ended, Gap, Paused, Resumed, ResumePoint, Updated
from steno_ingest.calls.hosting.conversations import SILENT_SECONDS, Conversation
from steno_ingest.calls.hosting.gate import PauseGate
from steno_ingest.calls.hosting.pace import EVENT_SECONDS, LEDGER_EVENT_SECONDS, Pace
from steno_ingest.calls.hosting.sender import CallSender
from steno_ingest.calls.hosting.session import CallSession, State
from steno_ingest.calls.ledger.pauses import Ask, GateInput, GateState, Holder
from steno_ingest.metrics import CALL_AUDIO_BYTES

log = structlog.get_logger("steno.ingest.calls")

CallInput = Audio | Gap | Paused | Resumed | Dtmf | Updated
"""The inputs of a door for a running call."""

_TORN = Ended(complete=False, reason="torn")


class Peer(Protocol):
    """The connection of a call's peer."""

    #: The caller of its key.
    caller: Caller

    @property
    def silent_seconds(self) -> float:
        """How long the peer has been silent."""

    def ask_pause(self) -> None:
        """Asks the peer to pause."""

    def ask_resume(self) -> None:
        """Asks the peer to resume."""

    def ask_to_leave(self, reason: str) -> None:
        """Asks the peer to end the call, and closes the connection soon after."""

    def reject(self, error: str) -> None:
        """Tells the peer that its call cannot be continued."""


class HostedCall:
    """A call of this process."""

    def __init__(
        self,
        session: CallSession,
        sender: CallSender,
        *,
        door: str,
        resumable: bool,
        conversation: Conversation | None,
        awaited_seconds: float | None,
        pace: Pace,
        now: Callable[[], float],
    ) -> None:
        """
        Args:
            door: The protocol of its peer.
            resumable: Whether its peer can resume it after a lost connection, here or in another process.
            conversation: The conversation by which a new session of its peer continues it, in this process only.
            awaited_seconds: How long such a session is awaited; None: as long as other peers.
            pace: Limits how fast its audio may arrive.
            now: Seconds of a monotonic clock.
        """
        self.session = session
        self.sender = sender
        self.pace = pace
        self.door = door
        self.resumable = resumable
        self.conversation = conversation
        self.awaited_seconds = awaited_seconds
        self._now = now
        self.call_id = session.started.call_id
        self.peer: Peer | None = None
        #: How many phrases were sent to its peer, for protocols that do not report how many a peer has.
        self.phrases_sent = 0
        #: Until when an absent peer is awaited, by the monotonic clock; None while it is connected.
        self.held_until: float | None = None
        self._end_if_absent = _TORN
        # When the last input with a position in the call came.
        self._heard_at: float | None = None
        # Whether its peer was disconnected, so that audio is missing.
        self._was_disconnected = False
        self._abandoned = False
        #: Whether its peer ended it properly.
        self.completed = False
        #: Until when it stays known after its end, by the monotonic clock; None until all of it is on the log.
        self.forget_at: float | None = None
        self._audio_bytes = CALL_AUDIO_BYTES.labels(door)

    @property
    def gate(self) -> PauseGate:
        """The pause gate of the call."""
        return self.session.gate

    @property
    def tenant(self) -> str:
        """The tenant of the call."""
        return self.session.started.tenant

    @property
    def over(self) -> bool:
        """Whether it has ended or continues elsewhere, so that no more inputs are accepted."""
        return self._abandoned or self.ended

    @property
    def ended(self) -> bool:
        """Whether it ended in this process."""
        return self.session.state is State.ENDED

    @property
    def left(self) -> bool:
        """Whether its peer is disconnected or silent, and may return."""
        return not self.over and (self.peer is None or self.peer.silent_seconds > SILENT_SECONDS)

    @property
    def stopped(self) -> bool:
        """Whether its peer is away after a proper end of its session."""
        return self.held_until is not None and self._end_if_absent.complete

    @property
    def settled(self) -> bool:
        """Whether it is over and all of it is on the log."""
        return self.over and not self.sender.unacknowledged

    @property
    def safe(self) -> ResumePoint | None:
        """The point from which the peer would have to resume if this process died now; None at the beginning."""
        return self.sender.safe if self.sender.unacknowledged else self.session.flushed

    def attach(self, peer: Peer) -> None:
        """Sets the connection of its peer."""
        self.peer = peer

    def detach(self) -> Peer | None:
        """Removes the connection of its peer and returns it."""
        peer, self.peer, self.held_until = self.peer, None, None
        return peer

    def note_phrases_sent(self, phrases: int) -> None:
        """Records how many phrases were sent to its peer."""
        self.phrases_sent = phrases

    def note_sent(self, *, forget_at: float) -> None:
        """Records that all of it is on the log, and until when it stays known here."""
        self.forget_at = forget_at

    def start(self, gate: GateState, *, reason: str = "") -> None:
        """Begins or resumes the call."""
        self.sender.put(self.session.start(gate, reason=reason))

    def hold(self, ended: Ended, *, seconds: float) -> None:
        """Awaits its peer for so long; if it does not return, the call ends as given."""
        self.held_until, self._end_if_absent = self._now() + seconds, ended

    @property
    def end_if_absent(self) -> Ended:
        """The end of the call if its peer does not return."""
        ended = self._end_if_absent
        return ended if ended.complete or ended.error else replace(ended, error="its peer did not return")

    def rejoin(self) -> CallInput | None:
        """Handles the return of its peer; returns the input for the time since its last one, if there was any.

        A pause ends with the session that requested it. A peer that still pauses says so again, and sends no audio meanwhile.
        """
        stopped, self._end_if_absent = self._end_if_absent.complete, _TORN
        if self._heard_at is None:
            return None
        self._was_disconnected |= not stopped
        length = round((self._now() - self._heard_at) * self.session.started.sample_rate)
        if self.gate.closed_by_peer:
            return Resumed(skipped=length)
        return Gap(length=length, reason=GapReason.DISCARDED if stopped else GapReason.LOST)

    def handle(self, given: CallInput) -> None:
        """Handles an input of the peer; ignores it if the call is over.

        Raises:
            IllegalInput: the input is not possible.
        """
        if self.over:
            return
        if not isinstance(given, Dtmf | Updated):
            self._heard_at = self._now()
        session, put = self.session, self.sender.put
        self.pace.spend(self._costs(given))
        match given:
            case Audio():
                self._audio_bytes.inc(len(given.data))
                put(session.audio(given.data))
            case Gap():
                put(session.gap(given.length, given.reason))
            case Paused():
                put(session.pause(Holder.PEER))
            case Resumed():
                ask = self.gate.after(GateInput.PEER_RESUMES).ask
                put(session.resume(Holder.PEER, skipped=given.skipped))
                self._ask_peer(ask)
            case Dtmf():
                put(session.dtmf(given.digit, given.channel))
            case Updated():
                put(session.update(properties=given.properties, locale=given.locale, channels=given.channels))

    def _costs(self, given: CallInput) -> float:
        """Returns the cost of an input, as seconds of audio."""
        match given:
            case Audio():
                return self.session.seconds_of(given.data)
            case Gap() | Dtmf():
                return EVENT_SECONDS
            case _:
                return LEDGER_EVENT_SECONDS

    def change_gate(self, given: GateInput, *, by: str, reason: str = "") -> None:
        """Pauses or resumes the call at a request of the API, and asks the peer to do the same."""
        if self.over:
            return
        ask = self.gate.after(given).ask
        if given is GateInput.SERVICE_PAUSES:
            self.sender.put(self.session.pause(Holder.SERVICE, by=by, reason=reason))
        else:
            self.sender.put(self.session.resume(Holder.SERVICE, by=by))
        self._ask_peer(ask)

    def _ask_peer(self, ask: Ask | None) -> None:
        if self.peer is not None and ask is not None:
            if ask is Ask.PAUSE:
                self.peer.ask_pause()
            else:
                self.peer.ask_resume()

    def end(self, ended: Ended) -> None:
        """Ends the call; only the first end counts."""
        if self.over:
            return
        log.info("call.audio_ended", call_id=self.call_id, complete=ended.complete, reason=ended.reason, error=ended.error)
        self.completed = ended.complete and not self._was_disconnected
        self.sender.put(self.session.end(complete=self.completed, reason=ended.reason, error=ended.error))
        self.sender.close()

    def reject(self, reason: str) -> None:
        """Ends the call because Kafka will never accept its start; nothing of it is sent."""
        self.abandon()
        if self.peer is not None:
            self.peer.reject(reason)

    def abandon(self) -> None:
        """Releases the call, because it continues or was ended elsewhere; nothing more of it is sent from here."""
        self._abandoned = True
        self.sender.close()
