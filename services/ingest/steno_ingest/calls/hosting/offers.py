"""Decides on an offered call: it is new, it goes on with one that is here or in the ledger, or it is refused."""

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
    """Finds or starts the call of an offer."""

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
            max_calls: Calls at once; further ones are refused.
            resume_seconds: How long a peer that may come back is awaited.
            live_speed: How many times as fast as it is spoken a call may come in.
            burst_seconds: How much audio may come at once.
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
        #: Whether no call is taken any more.
        self.draining = False

    def close(self) -> None:
        """Takes no call any more."""
        self.draining = True

    async def call_of(self, offered: Offered, *, door: str, resumable: bool, caller: Caller) -> HostedCall:
        """The call of an offer, once the ledger has it here.

        Raises:
            OfferRefused: it is not taken.
        """
        if self.draining:
            raise OfferRefused(Refusal.SERVICE_STOPPING, "the service is stopping; try again soon")
        here = self._registry.calls.get(offered.call_id)
        if here is not None and not caller.sees(here.tenant):
            # The ledger says of somebody else's call what it says of one that is not there.
            here = None
        if here is not None and offered.resume is not None and here.ended and not here.completed:
            raise OfferRefused(Refusal.CALL_ALREADY_ENDED, f"call {here.call_id} has ended and cannot go on")
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
            if error.refusal is not Refusal.CALL_ID_IN_USE or not offered.id_of_its_own:
                raise
        if (left := self._registry.left(conversation)) is not None:
            # Its first session brought it to the ledger meanwhile.
            return left
        own = replace(offered, call_id=offered.id_of_its_own)
        return await self._start(own, door=door, resumable=resumable, caller=caller)

    def start_late(self, admitted: Admitted) -> None:
        """Takes care of a call that the ledger took in when its peer had been refused already."""
        call_id = admitted.session.started.call_id
        if self._registry.goes_on(call_id):
            return  # its peer has come back meanwhile
        if admitted.resumable:
            self._registry.await_peer(call_id, until=self._now() + self._resume_seconds)
            return
        call = self._starter.start(admitted, door=admitted.session.started.protocol, resumable=False)
        ended = Ended(complete=False, reason="refused", error="the ledger had it when its peer was refused already")
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
            return self._starter.start(admitted, door=door, resumable=resumable, party=caller.name)

    async def _begin(self, offered: Offered, *, door: str, resumable: bool, caller: Caller) -> Admitted:
        # The calls that are being taken in count, and this one is among them.
        open_calls = self._starter.open_calls + self._registry.admitting_count - 1
        return await self._admission.begin(offered, door=door, resumable=resumable, caller=caller, open_calls=open_calls)

    async def _resume_or_begin(self, offered: Offered, *, door: str, caller: Caller) -> Admitted:
        """Has a call go on. A peer that was told of nothing yet cannot know whether its call was begun, so it is begun now."""
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
        # What its first connection had begun came to the ledger between the two.
        return await self._resume(offered, caller)

    async def _resume(self, offered: Offered, caller: Caller) -> Admitted:
        awaited_until = self._registry.stop_awaiting(offered.call_id)
        try:
            admitted = await self._admission.resume(offered, caller=caller)
        except BaseException:
            if awaited_until is not None:
                # It is awaited still: who was refused, or went, may be somebody else.
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
