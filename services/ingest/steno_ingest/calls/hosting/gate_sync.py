"""Synchronises the pause gate of a call with the ledger, in both directions."""

import asyncio
from contextlib import suppress
from typing import Protocol

import structlog

from steno.retry import EACH_SECOND, retry
from steno_ingest.calls.hosting.hosted_call import HostedCall
from steno_ingest.calls.ledger.pauses import TRANSITIONS, GateInput, GateState
from steno_ingest.calls.ledger.view import CallView, Standing
from steno_ingest.errors import Refused

log = structlog.get_logger("steno.ingest.calls")


class Ledger(Protocol):
    """The methods used of `steno_ingest.calls.ledger.call_ledger.CallLedger`."""

    async def set_paused(self, call_id: str, paused: bool, *, by: str, instance: str) -> CallView: ...


class GateSync:
    """Writes the state of gates to the ledger, and applies the state in the ledger to gates."""

    def __init__(self, ledger: Ledger, *, instance: str) -> None:
        """`instance` is the name of this process among the replicas of the service."""
        self._ledger = ledger
        self._instance = instance
        #: At most one update per call.
        self._updating: dict[HostedCall, asyncio.Task[None]] = {}

    def update_ledger(self, call: HostedCall) -> None:
        """Writes to the ledger whether the peer of a call pauses it, so that the pause holds wherever the call continues.

        The ledger gets the state at the time of the write and not every change, since a peer may pause at any rate.
        """
        if call not in self._updating:
            self._updating[call] = asyncio.create_task(self._update_with_retries(call))

    def note_pause_stored(self, call: HostedCall) -> None:
        """Records that the service's pause of a call is in the ledger, which may resume the call from now on."""
        call.gate.note_ledger(TRANSITIONS[call.gate.in_ledger][GateInput.SERVICE_PAUSES].to)

    def resume(self, call: HostedCall, *, by: str) -> None:
        """Applies that the service resumes a call, which is already in the ledger."""
        requested = call.gate.in_ledger is GateState.BY_PEER
        if requested and _waits_for_peer(call):
            return
        call.gate.note_ledger(TRANSITIONS[call.gate.in_ledger][GateInput.SERVICE_RESUMES].to, resume_requested=requested)
        call.change_gate(GateInput.SERVICE_RESUMES, by=by)
        if call.gate.ledger_differs:
            self.update_ledger(call)

    def apply_standing(self, call: HostedCall, standing: Standing) -> None:
        """Applies a request from another process, read from the ledger."""
        # During an update, what was read from the ledger before is outdated.
        if call not in self._updating and not (standing.resume_asked_by and _waits_for_peer(call)):
            self._apply(call, standing)
            if call.gate.ledger_differs:
                self.update_ledger(call)

    def _apply(self, call: HostedCall, entry: CallView | Standing) -> None:
        change = call.gate.change_from_ledger(entry)
        call.gate.note_ledger(entry.gate, resume_requested=bool(entry.resume_asked_by))
        if change is not None:
            call.change_gate(change, by=entry.resume_asked_by or entry.pause_requested_by, reason=entry.pause_reason)

    async def _update_with_retries(self, call: HostedCall) -> None:
        def failed(error: Exception, _seconds: float) -> None:
            log.warning("call.gate_not_kept", call_id=call.call_id, paused=call.gate.closed_by_peer, reason=str(error))

        try:
            with suppress(Refused):
                await retry(lambda: self._update(call), EACH_SECOND, failed=failed)
        finally:
            # Immediately, since a later change needs a new task.
            del self._updating[call]

    async def _update(self, call: HostedCall) -> None:
        while not call.over and call.gate.ledger_differs:
            paused, revision = call.gate.closed_by_peer, call.gate.revision
            view = await self._ledger.set_paused(call.call_id, paused, by="", instance=self._instance)
            # If the gate got a newer state of the ledger meanwhile, the result may be outdated, so the update is repeated.
            if call.gate.revision == revision:
                self._apply(call, view)


def _waits_for_peer(call: HostedCall) -> bool:
    """Whether the peer is away, so that a request to resume stays in the ledger until it is back."""
    return call.peer is None and not call.gate.state.by_service
