"""The host of the calls in this process: handles the messages of their peers and the requests of the API."""

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
from steno_ingest.calls.hosting.hosted_call import CallInput, HostedCall, Peer
from steno_ingest.calls.hosting.offers import Offers
from steno_ingest.calls.hosting.registry import CallRegistry
from steno_ingest.calls.hosting.sender import Outlet
from steno_ingest.calls.hosting.starter import UNACKNOWLEDGED_MS, CallStarter
from steno_ingest.calls.ledger.pauses import GateInput
from steno_ingest.calls.ledger.view import Standing
from steno_ingest.metrics import CALLS_REFUSED

log = structlog.get_logger("steno.ingest.calls")

_STOPPING = "service_stopping"
"""The end reason of calls that are open when the service stops, also if their peers do not return to the next process."""

_LEAVE_SECONDS = 3.0


class Ledger(admission.Ledger, gate_sync.Ledger, starter.Ledger, Protocol):
    """The methods used of `steno_ingest.calls.ledger.call_ledger.CallLedger`."""

    async def leave(self, *, instance: str, reason: str) -> None: ...


class CallHost:
    """All calls of this process, for their drivers and for the API; a component of the service."""

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
            instance: Name of this process among the replicas of the service, the same after a restart.
            chunk_ms: Length of a chunk on the log in milliseconds; some calls have twice as much (`chunk_length`).
            keep_digits: Whether the digits of pressed keys are stored.
            resume_seconds: How long a peer that may reconnect is awaited.
            max_calls: The maximum number of open calls; further ones are refused.
            drain_seconds: How long `stop` waits for Kafka.
            live_speed: The highest lasting rate at which a call may send audio, as a multiple of real time.
            clock: The time of day, in UTC.
            now: Seconds of a monotonic clock.
        """
        self._ledger = ledger
        self._instance = instance
        self.resume_seconds = resume_seconds
        self._drain_seconds = drain_seconds
        # A peer that returns sends the audio from its absence, and repeats the audio that Kafka had not acknowledged.
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
        """The calls in this process by id, including those that ended a short while ago."""
        return self.registry.calls

    @property
    def draining(self) -> bool:
        """Whether new calls are refused."""
        return self._offers.draining

    def drain(self) -> None:
        """Refuses new calls from now on."""
        self._offers.close()

    async def offer(self, offered: Offered, *, door: str, resumable: bool, peer: Peer) -> HostedCall:
        """Accepts or resumes a call; returns when the ledger has it, within three seconds. The log may follow later.

        Raises:
            OfferRefused: the call is refused.
        """
        try:
            call = await self._offers.find_or_start(offered, door=door, resumable=resumable, caller=peer.caller)
        except OfferRefused as error:
            CALLS_REFUSED.labels(door, error.refusal.value).inc()
            log.warning("call.refused", call_id=offered.call_id, door=door, reason=error.refusal.value, detail=str(error))
            raise
        if (before := call.detach()) is not None:
            before.ask_to_leave("replaced")
        # Before the call gets its peer, which must not be asked anything before its call is accepted.
        if call.conversation is not None and (meanwhile := call.rejoin()) is not None:
            log.info("call.peer_returned", call_id=call.call_id, door=door)
            self.handle(call, meanwhile)
        if offered.paused and not call.gate.closed_by_peer:
            self.handle(call, Paused())
        call.attach(peer)
        return call

    def handle(self, call: HostedCall, given: CallInput) -> None:
        """Handles an input of a call's peer. Raises `IllegalInput`."""
        closed = call.gate.closed_by_peer
        call.handle(given)
        if call.gate.closed_by_peer is not closed:
            self._gates.update_ledger(call)

    def lose_peer(self, call: HostedCall, peer: Peer, ended: Ended) -> None:
        """Handles the disconnection of a peer during its call. `ended`: the end of the call if it does not return."""
        if call.peer is not peer:
            return
        call.detach()
        if call.over:
            return
        if self.draining and not call.resumable:
            call.end(ended if ended.complete else Ended(complete=False, reason=_STOPPING))
        elif call.conversation is not None or (call.resumable and not ended.complete):
            seconds = self.resume_seconds if call.awaited_seconds is None else call.awaited_seconds
            log.info("call.held", call_id=call.call_id, seconds=seconds, reason=ended.reason)
            call.hold(ended, seconds=seconds)
        else:
            call.end(ended)

    async def pause(self, call_id: str, *, by: Caller, reason: str) -> bool:
        """Pauses a call that a caller sees; returns whether it is in this process and is paused now."""
        call = self._running(call_id, by)
        if call is None:
            return False
        call.change_gate(GateInput.SERVICE_PAUSES, by=by.name, reason=reason)
        return call.gate.closed

    async def resume(self, call_id: str, *, by: Caller) -> bool:
        """Resumes a call that a caller sees, after the ledger; returns whether it is in this process and runs now."""
        call = self._running(call_id, by)
        if call is None:
            return False
        self._gates.resume(call, by=by.name)
        return not call.gate.closed

    async def note_pause_stored(self, call_id: str) -> None:
        """Records that the pause of a call is in the ledger, which may resume the call from now on."""
        call = self.calls.get(call_id)
        if call is not None:
            self._gates.note_pause_stored(call)

    def apply_standing(self, call: HostedCall, standing: Standing) -> None:
        """Applies the ledger's state of a call's pause."""
        self._gates.apply_standing(call, standing)

    async def set_roles(self, call_id: str, channels: Sequence[CallChannel]) -> bool:
        """Sets the roles of a call's channels, after its log; returns whether the call is in this process."""
        call = self.calls.get(call_id)
        if call is not None:
            call.session.set_channels(channels)
        return call is not None

    async def end(self, call_id: str, *, by: str) -> bool:
        """Ends a call at the request of the API; returns whether the call is in this process."""
        call = self.calls.get(call_id)
        if call is None or call.over:
            return False
        call.end(Ended(complete=False, reason="closed", error=f"closed by {by} while its peer had not ended it"))
        if call.peer is not None:
            call.peer.ask_to_leave("ended_by_api")
        return True

    async def run(self) -> None:
        """Waits for `stop`. Raises an unexpected error of the sender of a call."""
        await self._stopping.wait()
        if self._broken is not None:
            raise self._broken

    async def stop(self) -> None:
        """Ends the calls that cannot be resumed, releases the others for their peers, and waits until Kafka has all audio."""
        self.drain()
        for call in list(self.calls.values()):
            if call.over:
                continue
            if call.resumable:
                call.abandon()
            elif call.stopped:
                call.end(call.end_if_absent)
            else:
                call.end(Ended(complete=False, reason=_STOPPING))
        await self._leave()
        await self._starter.drain(self._drain_seconds)
        self._stopping.set()

    async def _leave(self) -> None:
        """Records in the ledger that the calls were released in order; without that they would count as lost."""
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
