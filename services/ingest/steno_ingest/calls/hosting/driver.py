"""A driver runs the door of one call: it passes it messages, ticks and events of its call, and carries out its actions.

It does not depend on a transport. A transport (`transports`) passes messages to `receive_text` and `receive_bytes`, sends the
messages of `outgoing`, and runs both within `run`.
"""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import structlog

from steno_ingest.calls.doors.actions import (
    Action,
    Close,
    CloseReason,
    Ended,
    Follows,
    Left,
    Offered,
    Played,
    SendBytes,
    SendText,
    Unusable,
)
from steno_ingest.calls.doors.port import KEY_REVOKED, AcceptedPeer, Receiver
from steno_ingest.calls.hosting.admission import OfferRefused
from steno_ingest.calls.hosting.call_feed import CallFeed
from steno_ingest.calls.hosting.caption_feed import Captions, EarlierPhrases
from steno_ingest.calls.hosting.deadlines import LEAVE_SECONDS, Deadlines, Overdue
from steno_ingest.calls.hosting.host import CallHost
from steno_ingest.calls.hosting.hosted_call import HostedCall
from steno_ingest.calls.hosting.outgoing import Outgoing, PeerNotReading
from steno_ingest.calls.hosting.playback import CannotPlay
from steno_ingest.calls.hosting.session import IllegalInput
from steno_ingest.metrics import CALL_MESSAGES_UNUSABLE, CALL_PEERS_CUT_OFF, CALL_SECONDS_HELD_BACK

log = structlog.get_logger("steno.ingest.calls")

_REVOKED_SECONDS = 1.0
"""How long a peer may take to leave after its key was revoked."""

_LOOKS_WITHOUT_KEY = 2
"""How often in a row a key must be missing, since a key file that is being written may be incomplete for a moment."""


class CallDriver:
    """Runs the door of one call for its peer, until one side disconnects."""

    def __init__(
        self,
        entered: AcceptedPeer,
        host: CallHost,
        captions: Captions,
        earlier_phrases: EarlierPhrases,
        *,
        idle_seconds: float,
        now: Callable[[], float],
        heartbeats: Callable[[], int] = lambda: 0,
    ) -> None:
        """
        Args:
            idle_seconds: How long the peer may be silent before it counts as lost.
            now: Seconds of a monotonic clock.
            heartbeats: Returns the number of heartbeats received besides messages, such as pings.
        """
        self._door = entered.door
        #: Whether the key of the peer is still valid.
        self.holds = entered.holds
        #: The caller of the peer's key.
        self.caller = entered.caller
        self._host = host
        self._captions = captions
        self._earlier_phrases = earlier_phrases
        self._now = now
        self._heartbeats, self._heartbeats_seen = heartbeats, 0
        self._deadlines = Deadlines(idle_seconds=idle_seconds, now=now())
        self._call: HostedCall | None = None
        self._outgoing = {"": Outgoing()}
        #: Set once the call is accepted.
        self._feed: CallFeed | None = None
        self._sending_captions: asyncio.Task[None] | None = None
        self._offering: asyncio.Task[None] | None = None
        self._reading: asyncio.Task[None] | None = None
        #: The reason for which its connections, also later ones, are closed.
        self._closed_by: Close | None = None
        self._without_key = 0
        self._rejected = False
        #: Whether the peer closed the connection as its transport provides.
        self.peer_closed = False
        #: The kinds of faults in messages of the peer that were logged.
        self._faults_logged: set[str] = set()
        self._cut_off_for: str | None = None
        self._failure: BaseException | None = None

    @property
    def door_name(self) -> str:
        """The protocol of the peer."""
        return self._door.name

    def outgoing(self, connection: str = "") -> Outgoing:
        """Returns the queue of messages to send by the main connection, or by another one of the call, which it adds."""
        outgoing = self._outgoing.setdefault(connection, Outgoing())
        if self._closed_by is not None:
            outgoing.close(self._closed_by)
        return outgoing

    @property
    def closing(self) -> bool:
        """Whether the connection is being closed, so that messages of the peer are ignored."""
        return self._outgoing[""].closing

    async def run(self, reading: Coroutine[Any, Any, None], writing: Coroutine[Any, Any, None]) -> None:
        """Runs a transport's reading and writing until the connection ends, or the peer is cut off.

        Afterwards the call has ended, or is held for its peer.

        Raises:
            Exception: an error of the door or the transport.
        """
        self._reading = asyncio.create_task(reading)
        sending = self._start(writing)
        try:
            # Reading is cancelled to cut off the peer; that must not cancel the caller's task.
            await asyncio.wait({self._reading})
            if self._failure is not None:
                raise self._failure
            if not self._reading.cancelled():
                self._reading.result()
        finally:
            tasks = [task for task in (self._reading, sending, self._sending_captions, self._offering) if task is not None]
            for task in tasks:
                task.cancel()
            self._detach()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def receive_text(self, text: str, receiver: Receiver | None = None) -> None:
        """Handles a text message; returns when the next one may be read. `receiver`: for another connection of the call."""
        if not self.closing:
            self._deadlines.stop_reading()
            await self._receive((receiver or self._door).receive_text(text, now=self._now()))
        self._deadlines.resume_reading(self._now())

    async def receive_bytes(self, data: bytes, receiver: Receiver | None = None) -> None:
        """Handles a binary message like `receive_text`."""
        if not self.closing:
            self._deadlines.stop_reading()
            await self._receive((receiver or self._door).receive_bytes(data, now=self._now()))
        self._deadlines.resume_reading(self._now())

    def tick(self) -> None:
        """Handles everything that depends on time. Called about ten times a second."""
        self._guard(self._tick)

    def check_key(self, *, holds: bool) -> None:
        """Handles whether the key of the peer is still valid. Called about twice a second."""
        if self._revoked:
            return
        self._without_key = 0 if holds else self._without_key + 1
        if self._revoked:
            log.warning("call.key_revoked", door=self._door.name, key_name=self.caller.name)
            CALL_PEERS_CUT_OFF.labels(self._door.name, KEY_REVOKED).inc()
            self._deadlines.leave_within(_REVOKED_SECONDS, self._now())
            self._guard(self._revoke)

    def ask_pause(self) -> None:
        """Asks the peer to pause."""
        self._guard(lambda: self._carry_out(self._door.ask_pause()))

    def ask_resume(self) -> None:
        """Asks the peer to resume."""
        self._guard(lambda: self._carry_out(self._door.ask_resume()))

    def ask_to_leave(self, reason: str) -> None:
        """Asks the peer to end the call, and closes the connection soon after."""
        if not self._deadlines.leaving:
            self._deadlines.leave_within(LEAVE_SECONDS, self._now())
            self._guard(lambda: self._carry_out(self._door.ask_to_leave(reason)))

    def reject(self, error: str) -> None:
        """Tells the peer that its call cannot be accepted or continued."""
        self._guard(lambda: self._reject(error))

    async def play(self, audio: bytes) -> bool:
        """Plays audio to the peer, after what is being played; the audio has one channel in the format of the call.

        Returns:
            True once the peer has played all of it; False if it was stopped, or the peer has disconnected.

        Raises:
            CannotPlay: there is no call, or its protocol cannot play audio, or too much audio waits.
        """
        if self._feed is None:
            raise CannotPlay("audio cannot be played to a peer without a call")
        return await self._feed.play(audio)

    def stop_playing(self) -> None:
        """Stops playback and drops waiting audio."""
        if (feed := self._feed) is not None:
            self._guard(feed.stop_playing)

    @property
    def silent_seconds(self) -> float:
        """How long the peer has been silent; 0 while nothing is read from it."""
        return self._deadlines.silent_seconds(self._now())

    @property
    def _own_call(self) -> HostedCall | None:
        """The call, unless another connection of the peer has taken it over."""
        return self._call if self._call is not None and self._call.peer is self else None

    @property
    def _revoked(self) -> bool:
        return self._without_key >= _LOOKS_WITHOUT_KEY

    def _revoke(self) -> None:
        self._carry_out(self._door.ask_to_leave(KEY_REVOKED))
        if (call := self._own_call) is not None:
            error = "the key of its peer was removed, expired or changed"
            call.end(Ended(complete=False, reason=KEY_REVOKED, error=error))

    def _guard(self, work: Callable[[], None]) -> None:
        """Runs work that does not come from the peer, so that an error in it ends this peer's connection only."""
        try:
            work()
        except Exception as error:  # noqa: BLE001 - `run` raises it
            self._fail(error)

    def _start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        def done(task: asyncio.Task[None]) -> None:
            if not task.cancelled() and (error := task.exception()) is not None:
                self._fail(error)

        task = asyncio.create_task(work)
        task.add_done_callback(done)
        return task

    def _fail(self, error: BaseException) -> None:
        self._failure = error
        if self._reading is not None:
            self._reading.cancel()

    async def _receive(self, actions: Sequence[Action]) -> None:
        for action in actions:
            if isinstance(action, Offered):
                # The next message is read once the call is accepted or refused.
                await self._offer(action)
            else:
                self._carry_out([action])
        if self._call is not None and not self._call.over:
            await self._call.sender.wait_for_room()
            if (seconds := self._call.pace.wait_seconds) > 0:
                CALL_SECONDS_HELD_BACK.labels(self._door.name).inc(seconds)
                await asyncio.sleep(seconds)

    def _tick(self) -> None:
        now = self._now()
        if (seen := self._heartbeats()) > self._heartbeats_seen:
            self._heartbeats_seen = seen
            self._deadlines.note_heartbeat(now)
        if (overdue := self._deadlines.overdue(now)) is not None:
            self._cut_off(*overdue)
            return
        if self._feed is not None:
            self._feed.tick(now)
        if self._call is not None and self._call.over:
            self._deadlines.note_over(now)
        self._carry_out(self._door.tick(now=now))
        if self._deadlines.outstays_call(now):
            self._close(Close(why=CloseReason.DONE, detail="the call is over"))
        if self._deadlines.should_have_left(now):
            if self.closing:
                self._cut_off(Overdue.NOT_CLOSING, "the peer did not answer the close")
            elif self._revoked:
                self._close(Close(why=CloseReason.REFUSED, detail=KEY_REVOKED))
            else:
                self._close(Close(why=CloseReason.RESTARTING, detail="the service closes the connection"))
        elif self.closing:
            self._deadlines.note_closing(now)

    async def _offer(self, offered: Offered) -> None:
        self._deadlines.note_call()
        try:
            call = await self._host.offer(offered, door=self._door.name, resumable=self._door.resumable, peer=self)
        except OfferRefused as error:
            await self._receive(self._door.refuse(error.refusal, now=self._now()))
            return
        self._call = call
        if self._revoked:
            self._revoke()
            return
        paused = call.gate.closed_by_peer
        self._carry_out(self._door.accept(at=call.session.received, now=self._now(), paused_by_peer=paused))
        if call.gate.closed and not call.over:
            self._carry_out(self._door.ask_pause())
        self._feed = CallFeed(
            self._door,
            call,
            self._captions,
            self._earlier_phrases,
            begins=offered.resume is None and call.session.received.position == 0,
            phrases=offered.phrases if self._door.resumable else call.phrases_sent,
            carry_out=self._carry_out,
            room=self._outgoing[""].wait_for_room,
            now=self._now,
        )
        if self._door.captioned:
            self._sending_captions = self._start(self._feed.send_captions())

    def _carry_out(self, actions: Sequence[Action], *, droppable: bool = False) -> None:
        """Carries out the actions of a door. If one fails, the later ones are dropped."""
        for action in actions:
            try:
                self._carry_out_one(action, droppable=droppable)
            except PeerNotReading as error:
                self._cut_off("not_reading", str(error))
                return
            except IllegalInput as error:
                self._reject(str(error))
                return

    def _carry_out_one(self, action: Action, *, droppable: bool) -> None:
        match action:
            case SendText() | SendBytes():
                self._outgoing[action.connection].put(action, droppable=droppable)
            case Close():
                self._close(action)
            case Offered():
                # Caused by a tick, so nothing waits for it; the door keeps messages of its peer meanwhile.
                self._offering = self._start(self._offer(action))
            case Ended():
                if (call := self._own_call) is not None:
                    call.end(action)
            case Left(complete=complete, reason=reason, error=error):
                if (call := self._own_call) is not None:
                    self._host.lose_peer(call, self, Ended(complete=complete, reason=reason, error=error))
            case Played(mark=mark):
                if self._feed is not None:
                    self._feed.note_played(mark)
            case Follows():
                self._deadlines.note_call()
            case Unusable():
                self._report_unusable(action)
            case _:
                if (call := self._own_call) is not None:
                    self._host.handle(call, action)

    def _close(self, close: Close) -> None:
        self._closed_by = self._closed_by or close
        for outgoing in self._outgoing.values():
            outgoing.close(close)

    def _report_unusable(self, unusable: Unusable) -> None:
        """Counts an unusable message, and logs the first of each kind."""
        CALL_MESSAGES_UNUSABLE.labels(self._door.name, unusable.reason).inc()
        if unusable.reason not in self._faults_logged:
            self._faults_logged.add(unusable.reason)
            call_id = "" if self._call is None else self._call.call_id
            log.warning(
                "call.message_unusable", call_id=call_id, door=self._door.name, reason=unusable.reason, detail=unusable.detail
            )

    def _reject(self, error: str) -> None:
        """Lets the door tell its peer that its message is not acceptable. If that fails too, the connection is closed."""
        if self._rejected:
            self._close(Close(why=CloseReason.REFUSED, detail=error))
        else:
            self._rejected = True
            self._carry_out(self._door.reject(error, now=self._now()))
        if (call := self._own_call) is not None:
            call.end(Ended(complete=False, reason="protocol_error", error=error))

    def _cut_off(self, reason: str, detail: str) -> None:
        """Ends the connection without a message, since the peer does not read or answer."""
        if self._reading is None or self._reading.done():
            return
        self._cut_off_for = reason
        CALL_PEERS_CUT_OFF.labels(self._door.name, reason).inc()
        log.warning("call.peer_cut_off", door=self._door.name, reason=reason, detail=detail)
        self._reading.cancel()

    def _detach(self) -> None:
        """Handles the end of the connection: the call ends as the door says, unless it is held for its peer."""
        if self._feed is not None:
            self._feed.close()
            # From now on `play` raises `CannotPlay`.
            self._feed = None
        ended = Ended(complete=False, reason="torn")
        for action in self._door.lose_connection(closed=self.peer_closed):
            if isinstance(action, Ended):
                ended = action
            else:
                # Audio that the door still had, such as a frame that waited for another track.
                self._carry_out([action])
        if self._cut_off_for is not None and not ended.complete:
            ended = Ended(complete=False, reason=self._cut_off_for)
        if self._call is not None:
            self._host.lose_peer(self._call, self, ended)
