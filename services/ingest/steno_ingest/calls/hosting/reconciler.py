"""Compares the calls of this process with the ledger every second, and ends calls whose peers do not return.

Requests of the API (to pause, resume or end a call) are in the ledger, and are applied within a second in the process that has
the call. A call that the ledger assigns to this instance, but that this process does not have, was lost with the previous
process: it is held for its peer if its protocol can resume calls, and ended otherwise.
"""

import time
from collections.abc import Callable, Collection
from typing import Protocol

import structlog

from steno.background import PeriodicWork
from steno_ingest.calls.doors.actions import Ended
from steno_ingest.calls.hosting.host import CallHost
from steno_ingest.calls.hosting.hosted_call import HostedCall
from steno_ingest.calls.ledger.view import CallView, Standing
from steno_ingest.errors import Refused
from steno_ingest.metrics import CALL_RECORDS_WAITING

log = structlog.get_logger("steno.ingest.calls")

_INTERVAL_SECONDS = 1.0


class Ledger(Protocol):
    """The methods used of `steno_ingest.calls.ledger.call_ledger.CallLedger`."""

    async def standing(self, *, instance: str) -> list[Standing]: ...
    async def open_calls(self, *, instance: str | None = None) -> list[CallView]: ...
    async def end_lost(self, call_id: str, *, instance: str, reason: str, error: str) -> bool: ...


class Reconciler(PeriodicWork):
    """Compares the calls of a host with the ledger every second; a component of the service."""

    def __init__(
        self,
        host: CallHost,
        ledger: Ledger,
        *,
        instance: str,
        resumable: Collection[str],
        most_seconds: float = 43_200,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """
        Args:
            instance: Name of this process among the replicas of the service, the same after a restart.
            resumable: The protocols whose peers can resume calls.
            most_seconds: The longest duration of a call, by its audio and by the clock.
            now: Seconds of a monotonic clock.
        """
        super().__init__(
            self._recover_and_reconcile,
            every_seconds=_INTERVAL_SECONDS,
            failed=lambda error: log.warning("calls.ledger_away", reason=str(error)),
            cut_short=True,
        )
        self._host = host
        self._ledger = ledger
        self._instance = instance
        self._resumable = frozenset(resumable)
        self._most_seconds = most_seconds
        self._now = now
        self._recovered = False

    async def recover(self) -> None:
        """Finds the calls that were lost with the previous process. Raises `DatabaseUnavailable`."""
        host = self._host
        for view in await self._ledger.open_calls(instance=self._instance):
            if host.registry.knows(view.call_id):
                continue
            resumable = view.door in self._resumable
            log.warning("call.lost", call_id=view.call_id, door=view.door, resumable=resumable)
            host.registry.await_peer(view.call_id, until=self._now() + (host.resume_seconds if resumable else 0))

    async def reconcile(self) -> None:
        """Applies the requests in the ledger once, and ends the calls whose peers did not return.

        Raises:
            DatabaseUnavailable: the ledger is unreachable; calls continue without it.
        """
        host = self._host
        asked = [(call, call.gate.revision) for call in host.calls.values() if not call.over]
        if asked:
            standing = {entry.call_id: entry for entry in await self._ledger.standing(instance=self._instance)}
            for call, revision in asked:
                # If the gate has changed meanwhile, the answer may be outdated.
                if not call.over and call.gate.revision == revision:
                    await self._apply(call, standing.get(call.call_id))
        now = self._now()
        for call in list(host.calls.values()):
            if not call.over and call.session.lasted_seconds >= self._most_seconds:
                self._end_overlong(call)
            if call.forget_at is not None and call.forget_at <= now:
                host.registry.forget(call)
            elif not call.over and call.held_until is not None and call.held_until <= now:
                call.end(call.end_if_absent)
        for call_id in [call_id for call_id, until in host.registry.awaited.items() if until <= now]:
            # Its peer may have returned while another call was ended.
            if call_id in host.registry.awaited:
                await self._end_lost(call_id)
        CALL_RECORDS_WAITING.set(sum(call.sender.unacknowledged for call in host.calls.values()))

    async def _recover_and_reconcile(self) -> None:
        if not self._recovered:
            await self.recover()
            self._recovered = True
        await self.reconcile()

    async def _apply(self, call: HostedCall, standing: Standing | None) -> None:
        """Applies the state of a call in the ledger; None: it was ended, or continues elsewhere."""
        if standing is None:
            log.info("call.left", call_id=call.call_id)
            call.abandon()
            if call.peer is not None:
                call.peer.ask_to_leave("replaced")
        elif standing.end_requested_by:
            await self._host.end(call.call_id, by=standing.end_requested_by)
        else:
            self._host.apply_standing(call, standing)

    def _end_overlong(self, call: HostedCall) -> None:
        error = f"the call has lasted {self._most_seconds / 3600:g} hours, which is the limit"
        call.end(Ended(complete=False, reason="too_long", error=error))
        if call.peer is not None:
            call.peer.ask_to_leave("too_long")

    async def _end_lost(self, call_id: str) -> None:
        try:
            await self._ledger.end_lost(
                call_id, instance=self._instance, reason="ingest_lost", error="the process that received its audio was killed"
            )
        except Refused as error:
            log.warning("call.not_ended", call_id=call_id, reason=str(error))
        self._host.registry.stop_awaiting(call_id)
