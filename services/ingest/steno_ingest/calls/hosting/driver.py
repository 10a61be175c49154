"""A driver runs the door of one call: gives it messages, moments and what becomes of its call, and carries out its actions.

It knows no transport. Whatever carries the messages (`transports`) feeds `receive_text` and `receive_bytes`, sends what
`outgoing` gives, and runs both inside of `run`.
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
from steno_ingest.calls.doors.port import KEY_REVOKED, Entered, Receiver
from steno_ingest.calls.hosting.admission import OfferRefused
from steno_ingest.calls.hosting.call_feed import CallFeed
from steno_ingest.calls.hosting.caption_feed import Captions, SaidBefore
from steno_ingest.calls.hosting.deadlines import LEAVE_SECONDS, Deadlines, Overdue
from steno_ingest.calls.hosting.host import CallHost
from steno_ingest.calls.hosting.hosted_call import HostedCall
from steno_ingest.calls.hosting.outgoing import Outgoing, PeerNotReading
from steno_ingest.calls.hosting.playback import CannotPlay
from steno_ingest.calls.hosting.session import IllegalInput
from steno_ingest.metrics import CALL_MESSAGES_UNUSABLE, CALL_PEERS_CUT_OFF, CALL_SECONDS_HELD_BACK

log = structlog.get_logger("steno.ingest.calls")

_REVOKED_SECONDS = 1.0
"""How long a peer whose key is good no more may take to leave."""

_LOOKS_WITHOUT_KEY = 2
"""How often in a row its key has to be missing: a file that is being written may lack it for a moment."""


class CallDriver:
    """Runs a door for the peer of one call, until one side ends it."""

    def __init__(
        self,
        entered: Entered,
        host: CallHost,
        captions: Captions,
        said_before: SaidBefore,
        *,
        idle_seconds: float,
        now: Callable[[], float],
        lifesigns: Callable[[], int] = lambda: 0,
    ) -> None:
        """
        Args:
            idle_seconds: After so long without a message or a sign of life the peer counts as lost.
            now: Seconds of a monotonic clock.
            lifesigns: How many signs of life have come beside messages, as pings do.
        """
        self._door = entered.door
        #: Whether what the peer came in with is still good.
        self.holds = entered.holds
        #: Who the peer is, by what it came in with.
        self.caller = entered.caller
        self._host = host
        self._captions = captions
        self._said_before = said_before
        self._now = now
        self._lifesigns, self._lifesigns_seen = lifesigns, 0
        self._deadlines = Deadlines(idle_seconds=idle_seconds, now=now())
        self._call: HostedCall | None = None
        self._outgoing = {"": Outgoing()}
        #: Once the call is taken.
        self._feed: CallFeed | None = None
        self._listening: asyncio.Task[None] | None = None
        self._offering: asyncio.Task[None] | None = None
        self._reading: asyncio.Task[None] | None = None
        #: Why its connections are closed, also those that come after.
        self._closed_by: Close | None = None
        self._without_key = 0
        self._rejected = False
        #: What was wrong with messages of the peer, as far as the log has it.
        self._faults_told: set[str] = set()
        self._cut_off_for: str | None = None
        self._failure: BaseException | None = None

    @property
    def door_name(self) -> str:
        """The protocol that the peer speaks."""
        return self._door.name

    def outgoing(self, connection: str = "") -> Outgoing:
        """What waits to be sent by the main connection, or by another one of the call, which is there from now on."""
        outgoing = self._outgoing.setdefault(connection, Outgoing())
        if self._closed_by is not None:
            outgoing.close(self._closed_by)
        return outgoing

    @property
    def closing(self) -> bool:
        """Whether the connection is being closed: nothing more is read of the peer."""
        return self._outgoing[""].closing

    async def run(self, reading: Coroutine[Any, Any, None], writing: Coroutine[Any, Any, None]) -> None:
        """Runs a transport's reading and writing until there is nothing more to read, or the peer is cut off. The call is then
        over too, or held for its peer.

        Raises:
            Exception: what the door or the transport failed with.
        """
        self._reading = asyncio.create_task(reading)
        sending = self._start(writing)
        try:
            # Cancelled where the peer is cut off; that ends the connection, not the caller's task.
            await asyncio.wait({self._reading})
            if self._failure is not None:
                raise self._failure
            if not self._reading.cancelled():
                self._reading.result()
        finally:
            tasks = [task for task in (self._reading, sending, self._listening, self._offering) if task is not None]
            for task in tasks:
                task.cancel()
            self._detach()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def receive_text(self, text: str, receiver: Receiver | None = None) -> None:
        """Handles a text message; returns when the next one may be read. `receiver`: that of another connection of the call."""
        if not self.closing:
            self._deadlines.stop_listening()
            await self._receive((receiver or self._door).receive_text(text, now=self._now()))
        self._deadlines.listen(self._now())

    async def receive_bytes(self, data: bytes, receiver: Receiver | None = None) -> None:
        """Handles a binary message as `receive_text` does."""
        if not self.closing:
            self._deadlines.stop_listening()
            await self._receive((receiver or self._door).receive_bytes(data, now=self._now()))
        self._deadlines.listen(self._now())

    def tick(self) -> None:
        """Does what waits for a moment. Called about ten times a second."""
        self._guard(self._tick)

    def check_key(self, *, holds: bool) -> None:
        """Handles whether what the peer came in with is still good. Called about twice a second."""
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
        """Asks the peer to go on."""
        self._guard(lambda: self._carry_out(self._door.ask_resume()))

    def ask_to_leave(self, reason: str) -> None:
        """Asks the peer to end, and closes soon after."""
        if not self._deadlines.leaving:
            self._deadlines.leave_within(LEAVE_SECONDS, self._now())
            self._guard(lambda: self._carry_out(self._door.ask_to_leave(reason)))

    def reject(self, error: str) -> None:
        """Tells the peer that its call cannot be taken, or taken any further."""
        self._guard(lambda: self._reject(error))

    async def play(self, audio: bytes) -> bool:
        """Plays audio of one channel, in the format of the call, to the peer, behind what is being played.

        Returns:
            True once the peer has played all of it; False where it was stopped, or the peer is gone.

        Raises:
            CannotPlay: there is no call, or its protocol takes no audio, or too much waits.
        """
        if self._feed is None:
            raise CannotPlay("nothing can be played to a peer without a call")
        return await self._feed.play(audio)

    def stop_playing(self) -> None:
        """Stops what is being played, and all that waits behind it."""
        if (feed := self._feed) is not None:
            self._guard(feed.stop_playing)

    @property
    def silent_seconds(self) -> float:
        """How long nothing came of the peer; 0 while it is not listened to."""
        return self._deadlines.silent_seconds(self._now())

    @property
    def _own_call(self) -> HostedCall | None:
        """The call, while it is this peer's to say what becomes of it, and of no other that took its place."""
        return self._call if self._call is not None and self._call.peer is self else None

    @property
    def _revoked(self) -> bool:
        return self._without_key >= _LOOKS_WITHOUT_KEY

    def _revoke(self) -> None:
        self._carry_out(self._door.ask_to_leave(KEY_REVOKED))
        if (call := self._own_call) is not None:
            error = "the key that its peer came in with was removed, expired or changed"
            call.end(Ended(complete=False, reason=KEY_REVOKED, error=error))

    def _guard(self, work: Callable[[], None]) -> None:
        """Does what comes from elsewhere than the peer; where that fails, this peer's connection ends and no other."""
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
                # The next message is read once it is known whether the call is taken.
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
        if (seen := self._lifesigns()) > self._lifesigns_seen:
            self._lifesigns_seen = seen
            self._deadlines.hear(now)
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
                self._cut_off(Overdue.NOT_CLOSING, "the connection was closed, and the peer does not answer")
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
            self._carry_out(self._door.refuse(error.refusal, now=self._now()))
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
            self._said_before,
            begins=offered.resume is None and call.session.received.position == 0,
            phrases=offered.phrases if self._door.resumable else call.phrases_told,
            carry_out=self._carry_out,
            room=self._outgoing[""].wait_for_room,
            now=self._now,
        )
        if self._door.captioned:
            self._listening = self._start(self._feed.listen())

    def _carry_out(self, actions: Sequence[Action], *, droppable: bool = False) -> None:
        """Carries out what a door says. Where one action cannot be, those behind it are not either."""
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
                # By the clock: nobody waits for it here, the door keeps what its peer says meanwhile.
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
                self._tell_unusable(action)
            case _:
                if (call := self._own_call) is not None:
                    self._host.handle(call, action)

    def _close(self, close: Close) -> None:
        self._closed_by = self._closed_by or close
        for outgoing in self._outgoing.values():
            outgoing.close(close)

    def _tell_unusable(self, unusable: Unusable) -> None:
        """All are counted; the log has the first of each kind."""
        CALL_MESSAGES_UNUSABLE.labels(self._door.name, unusable.reason).inc()
        if unusable.reason not in self._faults_told:
            self._faults_told.add(unusable.reason)
            call_id = "" if self._call is None else self._call.call_id
            log.warning(
                "call.message_unusable", call_id=call_id, door=self._door.name, reason=unusable.reason, detail=unusable.detail
            )

    def _reject(self, error: str) -> None:
        """Has the door tell its peer that the call cannot take what it said. A door that cannot even end is ended."""
        if self._rejected:
            self._close(Close(why=CloseReason.REFUSED, detail=error))
        else:
            self._rejected = True
            self._carry_out(self._door.reject(error, now=self._now()))
        if (call := self._own_call) is not None:
            call.end(Ended(complete=False, reason="protocol_error", error=error))

    def _cut_off(self, reason: str, detail: str) -> None:
        """Ends the connection without a word, for the peer does not listen."""
        if self._reading is None or self._reading.done():
            return
        self._cut_off_for = reason
        CALL_PEERS_CUT_OFF.labels(self._door.name, reason).inc()
        log.warning("call.peer_cut_off", door=self._door.name, reason=reason, detail=detail)
        self._reading.cancel()

    def _detach(self) -> None:
        """Handles the end of the connection: what the door makes of that, where the call is not held."""
        if self._feed is not None:
            self._feed.close()
            # Whoever asks from now on is told that nothing can be played.
            self._feed = None
        ended = Ended(complete=False, reason="torn")
        for action in self._door.lose_connection():
            if isinstance(action, Ended):
                ended = action
            else:
                # What the door still had of the call: a frame that waited for another track.
                self._carry_out([action])
        if self._cut_off_for is not None:
            ended = Ended(complete=False, reason=self._cut_off_for)
        if self._call is not None:
            self._host.lose_peer(self._call, self, ended)
