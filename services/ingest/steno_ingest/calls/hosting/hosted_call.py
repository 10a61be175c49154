"""A hosted call is one whose audio comes in at this process: it holds its session, its line to the log, and its peer."""

from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

import structlog

from steno.events.records import GapReason
from steno.tenants import Caller
from steno_ingest.calls.doors.actions import Audio, Dtmf, Ended, Gap, Paused, Resumed, ResumePoint, Updated
from steno_ingest.calls.hosting.conversations import SILENT_SECONDS, Conversation
from steno_ingest.calls.hosting.gate import PauseGate
from steno_ingest.calls.hosting.pace import KEPT_SECONDS, TOLD_SECONDS, Pace
from steno_ingest.calls.hosting.sender import CallSender
from steno_ingest.calls.hosting.session import CallSession, State
from steno_ingest.calls.ledger.pauses import Ask, GateInput, GateState, Holder
from steno_ingest.metrics import CALL_AUDIO_BYTES

log = structlog.get_logger("steno.ingest.calls")

Told = Audio | Gap | Paused | Resumed | Dtmf | Updated
"""What a door tells of a call that runs."""


_TORN = Ended(complete=False, reason="torn")


class Peer(Protocol):
    """The connection of a call's peer."""

    #: Who it is, by what it came in with.
    caller: Caller

    @property
    def silent_seconds(self) -> float:
        """How long nothing came of it."""

    def ask_pause(self) -> None:
        """Asks the peer to pause."""

    def ask_resume(self) -> None:
        """Asks the peer to go on."""

    def ask_to_leave(self, reason: str) -> None:
        """Asks the peer to end, and closes soon after."""

    def reject(self, error: str) -> None:
        """Tells the peer that its call cannot be taken after all."""


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
            door: The protocol its peer speaks.
            resumable: It goes on where its peer says, here or elsewhere, when the connection is lost.
            conversation: It goes on with the conversation, here, when its peer comes again.
            awaited_seconds: How long that is awaited; None: as long as others are.
            pace: How fast it may come in.
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
        #: How many phrases its last peer was told: of protocols whose peers do not say how many they have.
        self.phrases_told = 0
        #: While its peer is away: until when it is awaited, by the monotonic clock.
        self.held_until: float | None = None
        self._unless_back = _TORN
        # When it was last told where in the call it is.
        self._heard_at: float | None = None
        # Its peer was away: whatever it says, not all of the call came.
        self._parted = False
        self._abandoned = False
        #: Whether its peer ended it as it should.
        self.completed = False
        #: Once it is over and all on the log: until when it is known, by the monotonic clock.
        self.forget_at: float | None = None
        self._audio_bytes = CALL_AUDIO_BYTES.labels(door)

    @property
    def gate(self) -> PauseGate:
        """Whether it is paused, and by whom."""
        return self.session.gate

    @property
    def tenant(self) -> str:
        """Whose it is."""
        return self.session.started.tenant

    @property
    def over(self) -> bool:
        """Whether nothing more may come of it."""
        return self._abandoned or self.ended

    @property
    def ended(self) -> bool:
        """Whether its end was said here."""
        return self.session.state is State.ENDED

    @property
    def left(self) -> bool:
        """Whether its peer is away, or as good as that, and may come again."""
        return not self.over and (self.peer is None or self.peer.silent_seconds > SILENT_SECONDS)

    @property
    def stopped(self) -> bool:
        """Whether its peer is away, and ended what it brought as it should."""
        return self.held_until is not None and self._unless_back.complete

    @property
    def settled(self) -> bool:
        """Whether it is over, and all of it on the log."""
        return self.over and not self.sender.unacknowledged

    @property
    def safe(self) -> ResumePoint | None:
        """Where the peer would have to go on if this process died now; None while that is the beginning."""
        return self.sender.safe if self.sender.unacknowledged else self.session.flushed

    def attach(self, peer: Peer) -> None:
        """Gives it the connection of its peer."""
        self.peer = peer

    def detach(self) -> Peer | None:
        """Takes the connection of its peer away, and gives it back."""
        peer, self.peer, self.held_until = self.peer, None, None
        return peer

    def note_phrases_told(self, phrases: int) -> None:
        """Notes how many phrases its peer was told."""
        self.phrases_told = phrases

    def note_sent(self, *, forget_at: float) -> None:
        """Notes that all of it is on the log, and until when it is known here."""
        self.forget_at = forget_at

    def start(self, gate: GateState, *, reason: str = "") -> None:
        """Begins the call, or has it go on here."""
        self.sender.put(self.session.start(gate, reason=reason))

    def hold(self, ended: Ended, *, seconds: float) -> None:
        """Awaits its peer for so long; unless it is back by then, the call is over so."""
        self.held_until, self._unless_back = self._now() + seconds, ended

    @property
    def unless_back(self) -> Ended:
        """How it is over when its peer does not come back."""
        ended = self._unless_back
        return ended if ended.complete or ended.error else replace(ended, error="its peer did not come back")

    def rejoin(self) -> Told | None:
        """Handles that its peer has come again: what it is taken to say of the time since it was heard last, if it ever was.

        A pause ends with the session that asked for it: a peer that pauses still says so, and sends nothing meanwhile.
        """
        stopped, self._unless_back = self._unless_back.complete, _TORN
        if self._heard_at is None:
            return None
        self._parted |= not stopped
        length = round((self._now() - self._heard_at) * self.session.started.sample_rate)
        if self.gate.closed_by_peer:
            return Resumed(skipped=length)
        return Gap(length=length, reason=GapReason.DISCARDED if stopped else GapReason.LOST)

    def handle(self, told: Told) -> None:
        """Handles what the peer says; of a call that is over nothing is handled.

        Raises:
            IllegalInput: it cannot be.
        """
        if self.over:
            return
        if not isinstance(told, Dtmf | Updated):
            self._heard_at = self._now()
        session, put = self.session, self.sender.put
        self.pace.spend(self._costs(told))
        match told:
            case Audio():
                self._audio_bytes.inc(len(told.data))
                put(session.audio(told.data))
            case Gap():
                put(session.gap(told.length, told.reason))
            case Paused():
                put(session.pause(Holder.PEER))
            case Resumed():
                ask = self.gate.after(GateInput.PEER_RESUMES).ask
                put(session.resume(Holder.PEER, skipped=told.skipped))
                self._ask_peer(ask)
            case Dtmf():
                put(session.dtmf(told.digit, told.channel))
            case Updated():
                put(session.update(properties=told.properties, locale=told.locale, channels=told.channels))

    def _costs(self, told: Told) -> float:
        """For how many seconds of audio it counts."""
        match told:
            case Audio():
                return self.session.seconds_of(told.data)
            case Gap() | Dtmf():
                return TOLD_SECONDS
            case _:
                return KEPT_SECONDS

    def change_gate(self, told: GateInput, *, by: str, reason: str = "") -> None:
        """Pauses or resumes it because somebody asked by the API; the peer is asked too."""
        if self.over:
            return
        ask = self.gate.after(told).ask
        if told is GateInput.SERVICE_PAUSES:
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
        """Ends it, as its peer says or as became of it; the first end counts."""
        if self.over:
            return
        log.info("call.audio_ended", call_id=self.call_id, complete=ended.complete, reason=ended.reason, error=ended.error)
        self.completed = ended.complete and not self._parted
        self.sender.put(self.session.end(complete=self.completed, reason=ended.reason, error=ended.error))
        self.sender.close()

    def reject(self, reason: str) -> None:
        """Ends it because Kafka will never take its start: nothing of it is sent."""
        self.abandon()
        if self.peer is not None:
            self.peer.reject(reason)

    def abandon(self) -> None:
        """Gives it up, because it goes on or was ended elsewhere: nothing more of it comes from here."""
        self._abandoned = True
        self.sender.close()
