"""One connection of a peer: its door, its call, and the tasks that read, write and listen for captions."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable, MutableMapping
from typing import Any

import structlog

from steno.events.records import Hypothesis, Phrase
from steno.http.websockets import MAX_FRAME_BYTES
from steno_ingest.calls.doors.port import (
    KEY_REVOKED,
    Action,
    Close,
    Ended,
    Entered,
    Follows,
    Left,
    Offered,
    SendBytes,
    SendText,
    Unusable,
)
from steno_ingest.calls.hosting.admission import OfferRefused
from steno_ingest.calls.hosting.completion import Completion
from steno_ingest.calls.hosting.host import CallHost
from steno_ingest.calls.hosting.hosted_call import HostedCall
from steno_ingest.calls.hosting.listening import Captions, Listening, SaidBefore
from steno_ingest.calls.hosting.outgoing import Outgoing, PeerNotReading
from steno_ingest.calls.hosting.session import IllegalInput
from steno_ingest.metrics import CALL_MESSAGES_UNUSABLE, CALL_PEERS_CUT_OFF, CALL_SECONDS_HELD_BACK

log = structlog.get_logger("steno.ingest.calls")

_TOO_BIG = 1009
"""The peer sent a frame that is larger (RFC 6455 §7.4.1); the server below has closed then."""

_LEAVE_SECONDS = 5.0
"""How long a peer that was asked to leave may take."""

_REVOKED_SECONDS = 1.0
"""The same for one whose key opens no more."""

_LOOKS_WITHOUT_KEY = 2
"""How often in a row its key has to be missing: a file that is being written may lack it for a moment."""

_AFTER_END_SECONDS = 60.0
"""How long a connection may outlive its call; doors end them sooner."""

_OFFER_SECONDS = 60.0
"""How long a connection may be there without a call: it has a place that calls need."""

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class Connection:
    """Runs a door on an accepted WebSocket until one side closes it."""

    def __init__(
        self,
        entered: Entered,
        host: CallHost,
        captions: Captions,
        said_before: SaidBefore,
        *,
        receive: Receive,
        send: Send,
        idle_seconds: float,
        now: Callable[[], float],
        heartbeats: Callable[[], int] = lambda: 0,
    ) -> None:
        """
        Args:
            idle_seconds: After so long without a message, ping or pong the connection counts as lost.
            now: Seconds of a monotonic clock.
            heartbeats: How many pings and pongs have come; no message tells of them.
        """
        self._door = entered.door
        #: Whether what the peer came in with is good still.
        self.holds = entered.holds
        #: Who the peer is, by what it came in with.
        self.caller = entered.caller
        self._host = host
        self._captions = captions
        self._said_before = said_before
        self._receive = receive
        self._send = send
        self._idle_seconds = idle_seconds
        self._now = now
        self._heartbeats, self._beats = heartbeats, 0
        self._call: HostedCall | None = None
        self._outgoing = Outgoing()
        self._completion = Completion()
        self._listening: asyncio.Task[None] | None = None
        self._offering: asyncio.Task[None] | None = None
        self._reading: asyncio.Task[None] | None = None
        #: When the peer was last heard; None while it is not listened to.
        self._heard_at: float | None = now()
        self._offered = False
        self._offer_by = now() + _OFFER_SECONDS
        self._acknowledged: tuple[int, int] | None = None
        self._leave_by: float | None = None
        self._without_key = 0
        self._over_since: float | None = None
        self._settled = False
        self._violated = False
        #: What was wrong with messages of the peer, as far as the log has it.
        self._faults_told: set[str] = set()
        self._cut_off_for: str | None = None
        self._failure: BaseException | None = None

    async def run(self) -> None:
        """Works until the connection is over; the call is then over too, or held for its peer."""
        self._reading = asyncio.create_task(self._read())
        writing = self._start(self._write())
        try:
            # Cancelled where the peer is cut off; that ends the connection, not the server's task of it.
            await asyncio.wait({self._reading})
            if self._failure is not None:
                raise self._failure
            if not self._reading.cancelled():
                self._reading.result()
        finally:
            tasks = [task for task in (self._reading, writing, self._listening, self._offering) if task is not None]
            for task in tasks:
                task.cancel()
            self._detach()
            await asyncio.gather(*tasks, return_exceptions=True)

    def tick(self) -> None:
        """Time has passed: what waits for a moment is done. Called about ten times a second."""
        self._guarded(self._tick)

    def check_key(self, *, holds: bool) -> None:
        """What the peer came in with is good still, or not. Called about twice a second."""
        if self._revoked:
            return
        self._without_key = 0 if holds else self._without_key + 1
        if self._without_key == _LOOKS_WITHOUT_KEY:
            log.warning("call.key_revoked", door=self._door.name, key_name=self.caller.name)
            CALL_PEERS_CUT_OFF.labels(self._door.name, KEY_REVOKED).inc()
            self._leave_by = self._now() + _REVOKED_SECONDS
            self._guarded(self._revoke)

    def ask_pause(self) -> None:
        """Asks the peer to pause."""
        self._guarded(lambda: self._do(self._door.ask_pause()))

    def ask_resume(self) -> None:
        """Asks the peer to go on."""
        self._guarded(lambda: self._do(self._door.ask_resume()))

    def ask_to_leave(self, reason: str) -> None:
        """Asks the peer to end, and closes soon after."""
        if self._leave_by is None:
            self._leave_by = self._now() + _LEAVE_SECONDS
            self._guarded(lambda: self._do(self._door.ask_to_leave(reason)))

    def refuse(self, reason: str) -> None:
        """Tells the peer that its call cannot be taken after all."""
        self._guarded(lambda: self._violate(reason))

    @property
    def silent_seconds(self) -> float:
        """How long nothing came of the peer; 0 while it is not listened to."""
        return 0.0 if self._heard_at is None else self._now() - self._heard_at

    @property
    def _own_call(self) -> HostedCall | None:
        """The call, while it is this connection's to say what becomes of it, and of no other that took its place."""
        return self._call if self._call is not None and self._call.peer is self else None

    @property
    def _revoked(self) -> bool:
        return self._without_key >= _LOOKS_WITHOUT_KEY

    def _revoke(self) -> None:
        self._do(self._door.ask_to_leave(KEY_REVOKED))
        if (call := self._own_call) is not None:
            error = "the key that its peer came in with was removed, expired or changed"
            self._host.end_call(call, Ended(complete=False, reason=KEY_REVOKED, error=error))

    def _guarded(self, work: Callable[[], None]) -> None:
        """Does what comes from elsewhere than the peer; where that fails, this connection ends with it and no other."""
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

    def _tick(self) -> None:
        now = self._now()
        if (beats := self._heartbeats()) > self._beats:
            self._beats = beats
            if self._heard_at is not None:
                self._heard_at = now
        if self.silent_seconds > self._idle_seconds:
            self._cut_off("idle", f"nothing came for {self._idle_seconds:g} s")
            return
        if not self._offered and now > self._offer_by:
            self._cut_off("no_call", f"no call was brought within {_OFFER_SECONDS:g} s")
            return
        self._tell_progress(now)
        self._tell_completion(now)
        self._do(self._door.tick(now=now))
        if self._over_since is not None and now - self._over_since > _AFTER_END_SECONDS:
            self._outgoing.close(Close(code=1000, reason="the call is over"))
        if self._leave_by is None:
            if self._outgoing.closing:
                self._leave_by = now + _LEAVE_SECONDS
        elif now > self._leave_by:
            if self._outgoing.closing:
                self._cut_off("not_closing", "the connection was closed, and the peer does not answer")
            else:
                self._outgoing.close(
                    Close(code=1008, reason=KEY_REVOKED)
                    if self._revoked
                    else Close(code=1012, reason="the service closes the connection")
                )
                self._leave_by = None

    async def _read(self) -> None:
        while True:
            message = await self._receive()
            self._heard_at = None
            if message["type"] == "websocket.disconnect":
                self._disconnected(message.get("code"))
                return
            if not self._outgoing.closing:
                await self._take(message)
            self._heard_at = self._now()

    async def _take(self, message: MutableMapping[str, Any]) -> None:
        data = message.get("bytes")
        if data is not None:
            actions = self._door.receive_bytes(data, now=self._now())
        else:
            actions = self._door.receive_text(message["text"], now=self._now())
        for action in actions:
            if isinstance(action, Offered):
                await self._offer(action)
            else:
                self._do((action,))
        if self._call is not None and not self._call.over:
            await self._call.sender.room()
            if (seconds := self._call.pace.wait_seconds) > 0:
                CALL_SECONDS_HELD_BACK.labels(self._door.name).inc(seconds)
                await asyncio.sleep(seconds)

    async def _write(self) -> None:
        try:
            while True:
                match await self._outgoing.get():
                    case SendText(text=text):
                        await self._send({"type": "websocket.send", "text": text})
                    case SendBytes(data=data):
                        await self._send({"type": "websocket.send", "bytes": data})
                    case Close(code=code, reason=reason):
                        await self._send({"type": "websocket.close", "code": code, "reason": reason[:100]})
                        return
        except OSError:
            # The peer is gone (ASGI: send raises OSError then); the reader learns so too.
            return

    async def _offer(self, offered: Offered) -> None:
        self._offered = True
        try:
            call = await self._host.offer(offered, door=self._door.name, resumable=self._door.resumable, peer=self)
        except OfferRefused as error:
            self._do(self._door.refused(error.refusal, now=self._now()))
            return
        self._call = call
        if self._revoked:
            self._revoke()
            return
        self._do(self._door.accepted(at=call.session.received, now=self._now()))
        if call.gate.closed:
            self._do(self._door.ask_pause())
        if self._door.captioned:
            self._completion = Completion(offered.phrases if self._door.resumable else call.phrases_told)
            self._listening = self._start(self._listen(call))

    async def _listen(self, call: HostedCall) -> None:
        """Gives the door what is understood of its call."""
        await Listening(
            call.call_id,
            self._captions,
            self._said_before,
            self._completion,
            tenant=call.tenant,
            tell=self._caption,
            room=self._outgoing.room,
            now=self._now,
        ).run()

    def _caption(self, caption: Hypothesis | Phrase) -> None:
        self._do(self._door.caption(caption, now=self._now()), droppable=isinstance(caption, Hypothesis))
        if self._call is not None:
            self._call.phrases_told = self._completion.first_missing

    def _tell_completion(self, now: float) -> None:
        phrase_count = self._completion.due(now)
        if phrase_count is not None:
            self._do(self._door.transcribed(phrase_count=phrase_count, now=now))

    def _tell_progress(self, now: float) -> None:
        call = self._call
        if call is None:
            return
        if (safe := call.safe) is not None and (safe.sequence, safe.position) != self._acknowledged:
            self._acknowledged = (safe.sequence, safe.position)
            self._do(self._door.acknowledged(sequence=safe.sequence, position=safe.position))
        if call.over and self._over_since is None:
            self._over_since = now
        if call.settled and not self._settled:
            self._settled = True
            self._do(self._door.settled(now=now))

    def _do(self, actions: Iterable[Action], *, droppable: bool = False) -> None:
        """Carries out what a door says, short of an offer."""
        for action in actions:
            try:
                match action:
                    case SendText() | SendBytes():
                        self._outgoing.put(action, droppable=droppable)
                    case Close():
                        self._outgoing.close(action)
                    case Offered():
                        # By the clock: nobody waits for it here, the door keeps what its peer says meanwhile.
                        self._offering = self._start(self._offer(action))
                    case Ended():
                        if (call := self._own_call) is not None:
                            self._host.end_call(call, action)
                    case Left():
                        if (call := self._own_call) is not None:
                            self._host.lose_peer(
                                call, self, Ended(complete=action.complete, reason=action.reason, error=action.error)
                            )
                    case Follows():
                        self._offered = True
                    case Unusable():
                        self._tell_unusable(action)
                    case _:
                        if (call := self._own_call) is not None:
                            self._host.handle(call, action)
            except PeerNotReading as error:
                self._cut_off("not_reading", str(error))
                return
            except IllegalInput as error:
                self._violate(str(error))
                return

    def _tell_unusable(self, unusable: Unusable) -> None:
        """All are counted; the log has the first of each kind."""
        CALL_MESSAGES_UNUSABLE.labels(self._door.name, unusable.reason).inc()
        if unusable.reason not in self._faults_told:
            self._faults_told.add(unusable.reason)
            call_id = "" if self._call is None else self._call.call_id
            log.warning(
                "call.message_unusable", call_id=call_id, door=self._door.name, reason=unusable.reason, detail=unusable.detail
            )

    def _violate(self, error: str) -> None:
        """The call cannot take what its peer said: the door tells it so. A door that cannot even end is ended."""
        if self._violated:
            self._outgoing.close(Close(code=1008, reason=error))
        else:
            self._violated = True
            self._do(self._door.violated(error, now=self._now()))
        if (call := self._own_call) is not None:
            self._host.end_call(call, Ended(complete=False, reason="protocol_error", error=error))

    def _disconnected(self, code: int | None) -> None:
        if code == _TOO_BIG and not self._outgoing.closing:
            CALL_PEERS_CUT_OFF.labels(self._door.name, "frame_too_big").inc()
            self._violate(f"a frame was larger than {MAX_FRAME_BYTES} bytes")

    def _cut_off(self, reason: str, detail: str) -> None:
        """Ends the connection without a word, for the peer does not listen."""
        if self._reading is None or self._reading.done():
            return
        self._cut_off_for = reason
        CALL_PEERS_CUT_OFF.labels(self._door.name, reason).inc()
        log.warning("call.peer_cut_off", door=self._door.name, reason=reason, detail=detail)
        self._reading.cancel()

    def _detach(self) -> None:
        """The connection is over: what the door makes of that, where the call is not held."""
        ended = Ended(complete=False, reason="torn")
        for action in self._door.connection_lost():
            if isinstance(action, Ended):
                ended = action
            else:
                # What the door still had of the call: a frame that waited for another track.
                self._do((action,))
        if self._cut_off_for is not None:
            ended = Ended(complete=False, reason=self._cut_off_for)
        if self._call is not None:
            self._host.lose_peer(self._call, self, ended)
