"""The calls whose audio comes in at this process: taken in, paused, ended, and held for a peer that lost its connection."""

import asyncio
import time
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Protocol

import structlog

from steno.errors import Retryable
from steno.events.records import CallChannel
from steno.kafka.errors import RecordRefused
from steno.tenants import Caller
from steno_ingest.calls.doors.port import Ended, Offered, Paused, Refusal, ResumePoint
from steno_ingest.calls.hosting import admission, gate_sync
from steno_ingest.calls.hosting.admission import Admission, Admitted, OfferRefused
from steno_ingest.calls.hosting.conversations import conversation_of
from steno_ingest.calls.hosting.gate import GateInput
from steno_ingest.calls.hosting.gate_sync import GateSync
from steno_ingest.calls.hosting.hosted_call import HostedCall, Peer, Told
from steno_ingest.calls.hosting.pace import CALLS_AT_ONCE, Pace, PartyBurst
from steno_ingest.calls.hosting.resuming import check_like, check_place
from steno_ingest.calls.hosting.sender import CallSender, Outlet
from steno_ingest.calls.ledger.view import Standing
from steno_ingest.errors import Refused
from steno_ingest.metrics import CALLS_HOSTED, CALLS_REFUSED

log = structlog.get_logger("steno.ingest.calls")

_RETRY_SECONDS = 1.0

_STOPPING = "service_stopping"
"""How calls end that are open when the service stops, also those whose peers do not come back to the next process."""

_LEAVE_SECONDS = 3.0

_NOTHING_YET = ResumePoint(sequence=0, position=0)

_REMEMBERED_SECONDS = 60.0
"""How long a call that is over is known: its peer may have lost the connection before it was told that all is safe."""

_UNACKNOWLEDGED_MS = 10_000
"""Audio of a call that may wait for Kafka before its peer has to: as long as a broker takes to be replaced by another. While
nothing is read from a peer, its pings are not answered either, and peers give up over that."""


class Ledger(admission.Ledger, gate_sync.Ledger, Protocol):
    """What is needed of `steno_ingest.calls.ledger.call_ledger.CallLedger`."""

    async def fail(self, call_id: str, *, reason: str, error: str) -> bool: ...
    async def leave(self, *, instance: str, reason: str) -> None: ...


class CallHost:
    """All calls of this process, for the connections of their peers and for the API; a component of the service."""

    def __init__(
        self,
        ledger: Ledger,
        outlet: Outlet,
        *,
        instance: str,
        chunk_ms: int,
        keep_digits: bool = False,
        resume_seconds: float,
        max_calls: int,
        drain_seconds: float,
        live_speed: float = 1.25,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """
        Args:
            instance: Name of this process among its like, the same after a restart.
            chunk_ms: Length of a chunk on the log, milliseconds.
            keep_digits: Whether it is kept which keys were pressed.
            resume_seconds: How long a peer that may come back is awaited.
            max_calls: Calls at once; further ones are refused.
            drain_seconds: How long `stop` waits for Kafka.
            live_speed: How many times as fast as it is spoken a call may come in.
            clock: The time of day, in UTC.
            now: Seconds of a monotonic clock.
        """
        self._ledger = ledger
        self._outlet = outlet
        self._instance = instance
        self._most_waiting = _UNACKNOWLEDGED_MS // chunk_ms
        self.resume_seconds = resume_seconds
        self._max_calls = max_calls
        self._drain_seconds = drain_seconds
        self._live_speed = live_speed
        # A peer that comes back sends what was said while it was away, and once more what Kafka had not taken by then.
        self._burst_seconds = resume_seconds + _UNACKNOWLEDGED_MS / 1000
        self._now = now
        self._admission = Admission(
            ledger,
            instance=instance,
            chunk_ms=chunk_ms,
            keep_digits=keep_digits,
            too_late=self._admitted_too_late,
            clock=clock,
            now=now,
        )
        self._gates = GateSync(ledger, instance=instance)
        #: By the name of its key; there are no more of them than keys.
        self._bursts: dict[str, PartyBurst] = {}
        self.calls: dict[str, HostedCall] = {}
        #: Calls that the ledger has here and that no process has audio of, and until when their peers are awaited.
        self.awaited: dict[str, float] = {}
        #: Ids of calls that the ledger may have and `calls` has not yet.
        self.admitting: set[str] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._senders: set[asyncio.Task[None]] = set()
        self._stopping = asyncio.Event()
        self._broken: BaseException | None = None
        #: Once set, no call is taken any more.
        self.draining = False

    async def offer(self, offered: Offered, *, door: str, resumable: bool, peer: Peer) -> HostedCall:
        """Takes a call in, or has one go on here. It returns once the ledger has it, in three seconds at most; the log may
        come later.

        Raises:
            OfferRefused: it is not taken.
        """
        try:
            call = await self._admit(offered, door=door, resumable=resumable, caller=peer.caller)
        except OfferRefused as error:
            CALLS_REFUSED.labels(door, error.refusal.value).inc()
            log.warning("call.refused", call_id=offered.call_id, door=door, reason=error.refusal.value, detail=str(error))
            raise
        before, call.peer, call.held_until = call.peer, None, None
        if before is not None:
            before.ask_to_leave("replaced")
        # Before it has a peer, who is asked nothing before it was told that the call is taken.
        if call.conversation is not None and (meanwhile := call.back()) is not None:
            log.info("call.came_again", call_id=call.call_id, door=door)
            self.handle(call, meanwhile)
        if offered.paused and not call.gate.closed_by_peer:
            self.handle(call, Paused())
        call.peer = peer
        return call

    def handle(self, call: HostedCall, told: Told) -> None:
        """Handles what the peer says of a call. Raises `IllegalInput`."""
        closed = call.gate.closed
        call.handle(told)
        if call.gate.closed is not closed:
            self._gates.tell_ledger(call)

    def end_call(self, call: HostedCall, ended: Ended) -> None:
        """The call is over, as the peer says or as became of it. The first end counts."""
        if call.over:
            return
        log.info("call.audio_ended", call_id=call.call_id, complete=ended.complete, reason=ended.reason, error=ended.error)
        call.end(complete=ended.complete, reason=ended.reason, error=ended.error)

    def lose_peer(self, call: HostedCall, peer: Peer, ended: Ended) -> None:
        """The peer of a call is gone before the end. `ended` is what that means where nobody comes back."""
        if call.peer is not peer:
            return
        call.peer = None
        if call.over:
            return
        if self.draining and not call.resumable:
            self.end_call(call, ended if ended.complete else Ended(complete=False, reason=_STOPPING))
        elif call.resumable or call.conversation is not None:
            seconds = self.resume_seconds if call.awaited_seconds is None else call.awaited_seconds
            log.info("call.held", call_id=call.call_id, seconds=seconds, reason=ended.reason)
            call.hold(ended, seconds=seconds)
        else:
            self.end_call(call, ended)

    async def pause(self, call_id: str, *, by: Caller, reason: str) -> bool:
        """Pauses a call that a caller sees. Says whether it is here, and paused now."""
        call = self._running(call_id, by)
        if call is None:
            return False
        call.change_gate(GateInput.SERVICE_PAUSES, by=by.name, reason=reason)
        return call.gate.closed

    async def resume(self, call_id: str, *, by: Caller) -> bool:
        """Resumes a call that a caller sees; the ledger has it already. Says whether it is here, and goes on now."""
        call = self._running(call_id, by)
        if call is None:
            return False
        self._gates.resume(call, by=by.name)
        return not call.gate.closed

    async def note_pause_kept(self, call_id: str) -> None:
        """Learns that the ledger has a call paused: from here on it may say otherwise."""
        call = self.calls.get(call_id)
        if call is not None:
            call.gate.note_ledger(paused=True)

    def apply_standing(self, call: HostedCall, standing: Standing) -> None:
        """Applies to a call whether the ledger has it paused."""
        self._gates.apply_standing(call, standing)

    async def set_roles(self, call_id: str, channels: Sequence[CallChannel]) -> bool:
        """Sets who speaks on the channels of a call; its log has it already. Says whether the call is here."""
        call = self.calls.get(call_id)
        if call is not None:
            call.session.channels = tuple(channels)
        return call is not None

    async def end(self, call_id: str, *, by: str) -> bool:
        """Ends a call because somebody asked for it. Says whether the call is here."""
        call = self.calls.get(call_id)
        if call is None or call.over:
            return False
        self.end_call(call, Ended(complete=False, reason="closed", error=f"closed by {by} while its peer had not ended it"))
        if call.peer is not None:
            call.peer.ask_to_leave("ended_by_api")
        return True

    def goes_on(self, call_id: str) -> bool:
        """Whether a call is here and not over."""
        call = self.calls.get(call_id)
        return call is not None and not call.over

    async def run(self) -> None:
        """Waits for `stop`. Raises what broke the line of a call to the log."""
        await self._stopping.wait()
        if self._broken is not None:
            raise self._broken

    async def stop(self) -> None:
        """Ends what cannot be resumed, leaves the rest for its peers to come back to, and waits until Kafka has all."""
        self.draining = True
        for call in list(self.calls.values()):
            if call.over:
                continue
            if call.resumable:
                call.abandon()
            elif call.stopped:
                self.end_call(call, call.unless_back)
            else:
                self.end_call(call, Ended(complete=False, reason=_STOPPING))
        await self._leave()
        if self._senders:
            _, unsent = await asyncio.wait(self._senders, timeout=self._drain_seconds)
            for task in unsent:
                task.cancel()
            if unsent:
                log.error("calls.unsent", calls=len(unsent), reason="Kafka did not take all of their audio in time")
        self._stopping.set()

    async def _leave(self) -> None:
        """Has the ledger know that calls were left in order; where it is away, they look lost."""
        try:
            async with asyncio.timeout(_LEAVE_SECONDS):
                await self._ledger.leave(instance=self._instance, reason=_STOPPING)
        except (Retryable, TimeoutError) as error:
            log.warning("calls.leaving_not_kept", reason=str(error))

    def _running(self, call_id: str, by: Caller) -> HostedCall | None:
        call = self.calls.get(call_id)
        return None if call is None or call.over or not by.sees(call.tenant) else call

    async def _admit(self, offered: Offered, *, door: str, resumable: bool, caller: Caller) -> HostedCall:
        if self.draining:
            raise OfferRefused(Refusal.SERVICE_STOPPING, "the service is stopping; try again soon")
        here = self.calls.get(offered.call_id)
        if here is not None and not caller.sees(here.tenant):
            # The ledger says of somebody else's call what it says of one that is not there.
            here = None
        if here is not None and offered.resume is not None and here.ended and not here.completed:
            raise OfferRefused(Refusal.CALL_ALREADY_ENDED, f"call {here.call_id} has ended and cannot go on")
        if here is not None and offered.resume is not None and (here.completed or not here.over):
            check_like(here.session.started, offered)
            return here
        if (left := self._left(offered, door, caller)) is not None:
            return left
        if len(self._senders) >= self._max_calls:
            raise OfferRefused(Refusal.TOO_MANY_CALLS, f"{self._max_calls} calls are open here already; try again soon")
        try:
            return await self._take_in(offered, door=door, resumable=resumable, caller=caller)
        except OfferRefused as error:
            if error.refusal is not Refusal.CALL_ID_IN_USE or not offered.id_of_its_own:
                raise
        if (left := self._left(offered, door, caller)) is not None:
            # Its first session brought it to the ledger meanwhile.
            return left
        own = replace(offered, call_id=offered.id_of_its_own)
        return await self._take_in(own, door=door, resumable=resumable, caller=caller)

    def _left(self, offered: Offered, door: str, caller: Caller) -> HostedCall | None:
        """The call with which a conversation goes on."""
        conversation = conversation_of(offered, door=door, caller=caller)
        if conversation is None:
            return None
        return next((call for call in self.calls.values() if call.conversation == conversation and call.left), None)

    async def _take_in(self, offered: Offered, *, door: str, resumable: bool, caller: Caller) -> HostedCall:
        self.admitting.add(offered.call_id)
        try:
            if offered.resume is None:
                admitted = await self._admission.begin(offered, door=door, resumable=resumable, caller=caller)
            else:
                admitted = await self._resume_or_begin(offered, door=door, caller=caller)
            return self._host(admitted, door=door, resumable=resumable, party=caller.name)
        finally:
            self.admitting.discard(offered.call_id)

    async def _resume_or_begin(self, offered: Offered, *, door: str, caller: Caller) -> Admitted:
        """A peer comes back. One that was told of nothing yet cannot know whether its call was begun, so it is begun now."""
        try:
            return await self._resume(offered, caller)
        except OfferRefused as error:
            if error.refusal is not Refusal.NO_SUCH_CALL or offered.resume != _NOTHING_YET:
                raise
        try:
            return await self._admission.begin(offered, door=door, resumable=True, caller=caller)
        except OfferRefused as meanwhile:
            if meanwhile.refusal is not Refusal.CALL_ID_IN_USE:
                raise
        # What its first connection had begun came to the ledger between the two.
        return await self._resume(offered, caller)

    async def _resume(self, offered: Offered, caller: Caller) -> Admitted:
        lost_until = self.awaited.pop(offered.call_id, None)
        try:
            admitted = await self._admission.resume(offered, caller=caller)
        except BaseException:
            if lost_until is not None and not self.goes_on(offered.call_id):
                # It is awaited still: who was refused, or went, may be somebody else.
                self.awaited[offered.call_id] = lost_until
            raise
        try:
            check_like(admitted.session.started, offered)
            check_place(
                admitted.session, speed=self._live_speed, burst_seconds=self._burst_seconds, heard=admitted.heard_position
            )
        except OfferRefused:
            if not self.goes_on(offered.call_id):
                self.awaited[offered.call_id] = self._now() + self.resume_seconds
            raise
        return admitted

    def _host(self, admitted: Admitted, *, door: str, resumable: bool, party: str = "") -> HostedCall:
        call_id = admitted.session.started.call_id
        sender = CallSender(
            self._outlet, limit=self._most_waiting, on_start_refused=lambda reason: self._start_refused(call_id, reason)
        )
        pace = Pace(speed=self._live_speed, burst_seconds=self._burst_seconds, party=self._burst_of(party), now=self._now)
        call = HostedCall(
            admitted.session,
            sender,
            door=door,
            resumable=resumable,
            conversation=admitted.conversation,
            awaited_seconds=admitted.awaited_seconds,
            pace=pace,
            now=self._now,
        )
        call.start(paused_by=admitted.paused_by, reason=admitted.reason)
        self.calls[call.call_id] = call
        self.awaited.pop(call.call_id, None)
        task = asyncio.create_task(sender.run())
        self._senders.add(task)
        CALLS_HOSTED.set(len(self._senders))
        task.add_done_callback(lambda done: self._sent(call, done))
        return call

    def _burst_of(self, party: str) -> PartyBurst:
        burst = self._bursts.get(party)
        if burst is None:
            burst = self._bursts[party] = PartyBurst(seconds=CALLS_AT_ONCE * self._burst_seconds, now=self._now)
        return burst

    def _start_refused(self, call_id: str, reason: str) -> None:
        reason = f"the call cannot be taken: {reason}; send less of what is known of it"
        self.calls[call_id].refuse(reason)
        self._spawn(self._keep_failed(call_id, reason))

    async def _keep_failed(self, call_id: str, reason: str) -> None:
        while True:
            try:
                await self._ledger.fail(call_id, reason=reason, error=RecordRefused.error_class)
            except Retryable as error:
                log.warning("call.failure_not_kept", call_id=call_id, reason=str(error))
                await asyncio.sleep(_RETRY_SECONDS)
            except Refused:
                return
            else:
                return

    def _sent(self, call: HostedCall, task: asyncio.Task[None]) -> None:
        self._senders.discard(task)
        CALLS_HOSTED.set(len(self._senders))
        call.forget_at = self._now() + _REMEMBERED_SECONDS
        if not task.cancelled() and task.exception() is not None:
            self._broken = task.exception()
            self._stopping.set()

    def _admitted_too_late(self, admitted: Admitted) -> None:
        call_id = admitted.session.started.call_id
        if self.goes_on(call_id):
            return  # its peer has come back meanwhile
        if admitted.resumable:
            self.awaited[call_id] = self._now() + self.resume_seconds
            return
        call = self._host(admitted, door=admitted.session.started.protocol, resumable=False)
        ended = Ended(complete=False, reason="refused", error="the ledger had it when its peer was refused already")
        if admitted.conversation is not None and not self.draining:
            call.hold(ended, seconds=self.resume_seconds)
        else:
            self.end_call(call, ended)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
