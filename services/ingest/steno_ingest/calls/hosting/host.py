"""The host of the calls whose audio comes in at this process: handles what their peers say and what the API asks of them."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Protocol

import structlog

from steno.errors import Retryable
from steno.events.records import CallChannel
from steno.tenants import Caller
from steno_ingest.calls.doors.actions import Ended, Offered, Paused
from steno_ingest.calls.hosting import admission, gate_sync, starter
from steno_ingest.calls.hosting.admission import Admission, OfferRefused
from steno_ingest.calls.hosting.gate_sync import GateSync
from steno_ingest.calls.hosting.hosted_call import HostedCall, Peer, Told
from steno_ingest.calls.hosting.offers import Offers
from steno_ingest.calls.hosting.registry import CallRegistry
from steno_ingest.calls.hosting.sender import Outlet
from steno_ingest.calls.hosting.starter import UNACKNOWLEDGED_MS, CallStarter
from steno_ingest.calls.ledger.pauses import GateInput
from steno_ingest.calls.ledger.view import Standing
from steno_ingest.metrics import CALLS_REFUSED

log = structlog.get_logger("steno.ingest.calls")

_STOPPING = "service_stopping"
"""How calls end that are open when the service stops, also those whose peers do not come back to the next process."""

_LEAVE_SECONDS = 3.0


class Ledger(admission.Ledger, gate_sync.Ledger, starter.Ledger, Protocol):
    """What is needed of `steno_ingest.calls.ledger.call_ledger.CallLedger`."""

    async def leave(self, *, instance: str, reason: str) -> None: ...


class CallHost:
    """All calls of this process, for the drivers of their doors and for the API; a component of the service."""

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
            chunk_ms: Length of a chunk on the log, milliseconds; of some calls twice as much (`chunk_length`).
            keep_digits: Whether it is kept which keys were pressed.
            resume_seconds: How long a peer that may come back is awaited.
            max_calls: Calls at once; further ones are refused.
            drain_seconds: How long `stop` waits for Kafka.
            live_speed: How many times as fast as it is spoken a call may come in.
            clock: The time of day, in UTC.
            now: Seconds of a monotonic clock.
        """
        self._ledger = ledger
        self._instance = instance
        self.resume_seconds = resume_seconds
        self._drain_seconds = drain_seconds
        # A peer that comes back sends what was said while it was away, and once more what Kafka had not taken by then.
        burst_seconds = resume_seconds + UNACKNOWLEDGED_MS / 1000
        #: The calls of this process.
        self.registry = CallRegistry()
        self._starter = CallStarter(
            self.registry,
            ledger,
            outlet,
            live_speed=live_speed,
            burst_seconds=burst_seconds,
            on_broken=self._break,
            now=now,
        )
        self._offers = Offers(
            self.registry,
            Admission(
                ledger,
                instance=instance,
                chunk_ms=chunk_ms,
                keep_digits=keep_digits,
                on_late=lambda admitted: self._offers.start_late(admitted),
                clock=clock,
                now=now,
            ),
            self._starter,
            max_calls=max_calls,
            resume_seconds=resume_seconds,
            live_speed=live_speed,
            burst_seconds=burst_seconds,
            now=now,
        )
        self._gates = GateSync(ledger, instance=instance)
        self._stopping = asyncio.Event()
        self._broken: BaseException | None = None

    @property
    def calls(self) -> Mapping[str, HostedCall]:
        """The calls whose audio comes in here, by id, and those that are over a short while ago."""
        return self.registry.calls

    @property
    def draining(self) -> bool:
        """Whether no call is taken any more."""
        return self._offers.draining

    def drain(self) -> None:
        """Takes no call any more."""
        self._offers.close()

    async def offer(self, offered: Offered, *, door: str, resumable: bool, peer: Peer) -> HostedCall:
        """Takes a call in, or has one go on here. It returns once the ledger has it, in three seconds at most; the log may
        come later.

        Raises:
            OfferRefused: it is not taken.
        """
        try:
            call = await self._offers.call_of(offered, door=door, resumable=resumable, caller=peer.caller)
        except OfferRefused as error:
            CALLS_REFUSED.labels(door, error.refusal.value).inc()
            log.warning("call.refused", call_id=offered.call_id, door=door, reason=error.refusal.value, detail=str(error))
            raise
        if (before := call.detach()) is not None:
            before.ask_to_leave("replaced")
        # Before it has a peer, who is asked nothing before it was told that the call is taken.
        if call.conversation is not None and (meanwhile := call.rejoin()) is not None:
            log.info("call.came_again", call_id=call.call_id, door=door)
            self.handle(call, meanwhile)
        if offered.paused and not call.gate.closed_by_peer:
            self.handle(call, Paused())
        call.attach(peer)
        return call

    def handle(self, call: HostedCall, told: Told) -> None:
        """Handles what the peer says of a call. Raises `IllegalInput`."""
        closed = call.gate.closed_by_peer
        call.handle(told)
        if call.gate.closed_by_peer is not closed:
            self._gates.tell_ledger(call)

    def lose_peer(self, call: HostedCall, peer: Peer, ended: Ended) -> None:
        """Handles that the peer of a call is gone before the end. `ended` is what that means where nobody comes back."""
        if call.peer is not peer:
            return
        call.detach()
        if call.over:
            return
        if self.draining and not call.resumable:
            call.end(ended if ended.complete else Ended(complete=False, reason=_STOPPING))
        elif call.resumable or call.conversation is not None:
            seconds = self.resume_seconds if call.awaited_seconds is None else call.awaited_seconds
            log.info("call.held", call_id=call.call_id, seconds=seconds, reason=ended.reason)
            call.hold(ended, seconds=seconds)
        else:
            call.end(ended)

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
            self._gates.note_pause_kept(call)

    def apply_standing(self, call: HostedCall, standing: Standing) -> None:
        """Applies to a call whether the ledger has it paused."""
        self._gates.apply_standing(call, standing)

    async def set_roles(self, call_id: str, channels: Sequence[CallChannel]) -> bool:
        """Sets who speaks on the channels of a call; its log has it already. Says whether the call is here."""
        call = self.calls.get(call_id)
        if call is not None:
            call.session.set_channels(channels)
        return call is not None

    async def end(self, call_id: str, *, by: str) -> bool:
        """Ends a call because somebody asked for it. Says whether the call is here."""
        call = self.calls.get(call_id)
        if call is None or call.over:
            return False
        call.end(Ended(complete=False, reason="closed", error=f"closed by {by} while its peer had not ended it"))
        if call.peer is not None:
            call.peer.ask_to_leave("ended_by_api")
        return True

    async def run(self) -> None:
        """Waits for `stop`. Raises what broke the line of a call to the log."""
        await self._stopping.wait()
        if self._broken is not None:
            raise self._broken

    async def stop(self) -> None:
        """Ends what cannot be resumed, leaves the rest for its peers to come back to, and waits until Kafka has all."""
        self.drain()
        for call in list(self.calls.values()):
            if call.over:
                continue
            if call.resumable:
                call.abandon()
            elif call.stopped:
                call.end(call.unless_back)
            else:
                call.end(Ended(complete=False, reason=_STOPPING))
        await self._leave()
        await self._starter.drain(self._drain_seconds)
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

    def _break(self, error: BaseException) -> None:
        self._broken = error
        self._stopping.set()
