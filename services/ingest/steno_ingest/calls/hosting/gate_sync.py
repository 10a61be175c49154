"""Keeps the pause that the ledger has of a call and the call's own gate equal, whichever of the two changes."""

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
    """What is needed of `steno_ingest.calls.ledger.call_ledger.CallLedger`."""

    async def set_paused(self, call_id: str, paused: bool, *, by: str, instance: str) -> CallView: ...


class GateSync:
    """Tells the ledger how gates stand, and applies to gates what the ledger says."""

    def __init__(self, ledger: Ledger, *, instance: str) -> None:
        """`instance` is the name of this process among its like."""
        self._ledger = ledger
        self._instance = instance
        #: One at a time for each call.
        self._telling: dict[HostedCall, asyncio.Task[None]] = {}

    def tell_ledger(self, call: HostedCall) -> None:
        """Has the ledger know whether the peer of a call pauses it, so that it stays so wherever the call goes on.

        The ledger is told the state at the moment of the write and not each change: a peer may pause as often as it likes.
        """
        if call not in self._telling:
            self._telling[call] = asyncio.create_task(self._tell_once(call))

    def note_pause_kept(self, call: HostedCall) -> None:
        """Learns that the ledger has it that the service pauses a call: from here on it may say otherwise."""
        call.gate.note_ledger(TRANSITIONS[call.gate.in_ledger][GateInput.SERVICE_PAUSES].to)

    def resume(self, call: HostedCall, *, by: str) -> None:
        """Applies that the service resumes a call, which the ledger has already."""
        asked = call.gate.in_ledger is GateState.BY_PEER
        if asked and _waits_for_peer(call):
            return
        call.gate.note_ledger(TRANSITIONS[call.gate.in_ledger][GateInput.SERVICE_RESUMES].to, asked=asked)
        call.change_gate(GateInput.SERVICE_RESUMES, by=by)
        if call.gate.ledger_differs:
            self.tell_ledger(call)

    def apply_standing(self, call: HostedCall, standing: Standing) -> None:
        """Applies what somebody asked at another process, as the ledger has it."""
        # While the ledger is told, what it said before is out of date.
        if call not in self._telling and not (standing.resume_asked_by and _waits_for_peer(call)):
            self._apply(call, standing)
            if call.gate.ledger_differs:
                self.tell_ledger(call)

    def _apply(self, call: HostedCall, entry: CallView | Standing) -> None:
        asked = call.gate.asked_by_ledger(entry)
        call.gate.note_ledger(entry.gate, asked=bool(entry.resume_asked_by))
        if asked is not None:
            call.change_gate(asked, by=entry.resume_asked_by or entry.pause_requested_by, reason=entry.pause_reason)

    async def _tell_once(self, call: HostedCall) -> None:
        def failed(error: Exception, _seconds: float) -> None:
            log.warning("call.gate_not_kept", call_id=call.call_id, paused=call.gate.closed_by_peer, reason=str(error))

        try:
            with suppress(Refused):
                await retry(lambda: self._tell(call), EACH_SECOND, failed=failed)
        finally:
            # At once: what changes from now on needs a task of its own.
            del self._telling[call]

    async def _tell(self, call: HostedCall) -> None:
        while not call.over and call.gate.ledger_differs:
            paused, revision = call.gate.closed_by_peer, call.gate.revision
            view = await self._ledger.set_paused(call.call_id, paused, by="", instance=self._instance)
            # Where more was learnt meanwhile, the answer may be older than that: the ledger is told, and answers, again.
            if call.gate.revision == revision:
                self._apply(call, view)


def _waits_for_peer(call: HostedCall) -> bool:
    """Whether there is nobody to ask to go on: it stays in the ledger until the peer is back."""
    return call.peer is None and not call.gate.state.by_service
