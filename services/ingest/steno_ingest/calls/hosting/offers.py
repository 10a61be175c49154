"""Decides on an offer: it starts a new call, continues one of this process or of the ledger, or is refused."""

from collections.abc import Callable
from dataclasses import replace

from steno.tenants import Caller
from steno_ingest.calls.doors.actions import Ended, Offered, ResumePoint
from steno_ingest.calls.doors.port import Refusal
from steno_ingest.calls.hosting.admission import Admission, Admitted, OfferRefused
from steno_ingest.calls.hosting.conversations import conversation_of
from steno_ingest.calls.hosting.hosted_call import HostedCall
from steno_ingest.calls.hosting.registry import CallRegistry
from steno_ingest.calls.hosting.resume_checks import check_format, check_position
from steno_ingest.calls.hosting.starter import CallStarter

_NOTHING_YET = ResumePoint(sequence=0, position=0)


class Offers:
    """Finds or starts the calls of offers."""

    def __init__(
        self,
        registry: CallRegistry,
        admission: Admission,
        starter: CallStarter,
        *,
        max_calls: int,
        resume_seconds: float,
        live_speed: float,
        burst_seconds: float,
        now: Callable[[], float],
    ) -> None:
        """
        Args:
            max_calls: The maximum number of open calls; further ones are refused.
            resume_seconds: How long a peer that may reconnect is awaited.
            live_speed: The highest lasting rate at which a call may send audio, as a multiple of real time.
            burst_seconds: How much audio a call may send in one burst.
            now: Seconds of a monotonic clock.
        """
        self._registry = registry
        self._admission = admission
        self._starter = starter
        self._max_calls = max_calls
        self._resume_seconds = resume_seconds
        self._live_speed = live_speed
        self._burst_seconds = burst_seconds
        self._now = now
        #: Whether new calls are refused.
        self.draining = False

    def close(self) -> None:
        """Refuses new calls from now on."""
        self.draining = True

    async def find_or_start(self, offered: Offered, *, door: str, resumable: bool, caller: Caller) -> HostedCall:
        """Returns the call of an offer, once the ledger has it.

        Raises:
            OfferRefused: the call is refused.
        """
        if self.draining:
            raise OfferRefused(Refusal.SERVICE_STOPPING, "the service is stopping; try again soon")
        here = self._registry.calls.get(offered.call_id)
        if here is not None and not caller.sees(here.tenant):
            # The ledger answers for another tenant's call as for an unknown one.
            here = None
        if here is not None and offered.resume is not None and here.ended and not (here.completed and offered.reopens):
            raise OfferRefused(Refusal.CALL_ALREADY_ENDED, f"call {here.call_id} has ended and cannot be resumed")
        if here is not None and offered.resume is not None and (here.completed or not here.over):
            check_format(here.session.started, offered)
            return here
        conversation = conversation_of(offered, door=door, caller=caller)
        if (left := self._registry.left(conversation)) is not None:
            return left
        if self._starter.open_calls + self._registry.admitting_count >= self._max_calls:
            raise OfferRefused(Refusal.TOO_MANY_CALLS, f"{self._max_calls} calls are open here already; try again soon")
        try:
            return await self._start(offered, door=door, resumable=resumable, caller=caller)
        except OfferRefused as error:
            if error.refusal is not Refusal.CALL_ID_IN_USE or not offered.fallback_call_id:
                raise
        if (left := self._registry.left(conversation)) is not None:
            # An earlier session added it to the ledger meanwhile.
            return left
        own = replace(offered, call_id=offered.fallback_call_id)
        return await self._start(own, door=door, resumable=resumable, caller=caller)

    def start_late(self, admitted: Admitted) -> None:
        """Handles a call that the ledger added after its peer had been refused."""
        call_id = admitted.session.started.call_id
        if self._registry.is_running(call_id):
            return  # its peer has returned meanwhile
        if admitted.resumable:
            self._registry.await_peer(call_id, until=self._now() + self._resume_seconds)
            return
        call = self._starter.start(admitted, door=admitted.session.started.protocol, resumable=False)
        ended = Ended(complete=False, reason="refused", error="the ledger added it after its peer had been refused")
        if admitted.conversation is not None and not self.draining:
            call.hold(ended, seconds=self._resume_seconds)
        else:
            call.end(ended)

    async def _start(self, offered: Offered, *, door: str, resumable: bool, caller: Caller) -> HostedCall:
        with self._registry.admitting(offered.call_id):
            if offered.resume is None:
                admitted = await self._begin(offered, door=door, resumable=resumable, caller=caller)
            else:
                admitted = await self._resume_or_begin(offered, door=door, caller=caller)
            return self._starter.start(admitted, door=door, resumable=resumable, key_name=caller.name)

    async def _begin(self, offered: Offered, *, door: str, resumable: bool, caller: Caller) -> Admitted:
        # Calls being admitted count too; this call is one of them.
        open_calls = self._starter.open_calls + self._registry.admitting_count - 1
        return await self._admission.begin(offered, door=door, resumable=resumable, caller=caller, open_calls=open_calls)

    async def _resume_or_begin(self, offered: Offered, *, door: str, caller: Caller) -> Admitted:
        """Resumes a call. If nothing was acknowledged yet, the peer cannot know whether the call began, so it may begin now."""
        try:
            return await self._resume(offered, caller)
        except OfferRefused as error:
            if error.refusal is not Refusal.NO_SUCH_CALL or offered.resume != _NOTHING_YET:
                raise
        try:
            return await self._begin(offered, door=door, resumable=True, caller=caller)
        except OfferRefused as meanwhile:
            if meanwhile.refusal is not Refusal.CALL_ID_IN_USE:
                raise
        # The first connection of the peer added the call to the ledger between the two attempts.
        return await self._resume(offered, caller)

    async def _resume(self, offered: Offered, caller: Caller) -> Admitted:
        awaited_until = self._registry.stop_awaiting(offered.call_id)
        try:
            admitted = await self._admission.resume(offered, caller=caller)
        except BaseException:
            if awaited_until is not None:
                # The peer is still awaited, since the refused or lost connection may have been another client's.
                self._registry.await_peer(offered.call_id, until=awaited_until)
            raise
        try:
            check_format(admitted.session.started, offered)
            check_position(
                admitted.session, speed=self._live_speed, burst_seconds=self._burst_seconds, heard=admitted.heard_position
            )
        except OfferRefused:
            self._registry.await_peer(offered.call_id, until=self._now() + self._resume_seconds)
            raise
        return admitted
