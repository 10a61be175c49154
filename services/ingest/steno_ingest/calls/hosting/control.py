"""Does what the API asks of a call: pauses and resumes it, corrects its roles, ends it; here or at another process."""

from collections.abc import Sequence
from typing import Protocol

from steno.events.records import CallChannel
from steno.tenants import Caller
from steno_ingest.calls.ledger.call_ledger import CallLedger
from steno_ingest.calls.ledger.call_starts import KAFKA
from steno_ingest.calls.ledger.view import CallView
from steno_ingest.errors import CallNotHere


class HostedCalls(Protocol):
    """The calls whose peers are connected to this process."""

    async def pause(self, call_id: str, *, by: Caller, reason: str) -> bool:
        """Pauses a call that a caller sees. Says whether it is here, and paused now."""

    async def resume(self, call_id: str, *, by: Caller) -> bool:
        """Resumes a call that a caller sees; the ledger has it already. Says whether it is here, and goes on now."""

    async def note_pause_kept(self, call_id: str) -> None:
        """Learns that the ledger has a call paused; before, what the ledger says resumes nothing."""

    async def set_roles(self, call_id: str, channels: Sequence[CallChannel]) -> bool:
        """Sets who speaks on the channels of a call; its log has it already. Says whether the call is here."""

    async def end(self, call_id: str, *, by: str) -> bool:
        """Begins to end a call in its protocol's own way. Says whether the call is here."""


class NoHostedCalls:
    """The calls of a process without doors."""

    async def pause(self, call_id: str, *, by: Caller, reason: str) -> bool:
        """Pauses nothing."""
        return False

    async def resume(self, call_id: str, *, by: Caller) -> bool:
        """Resumes nothing."""
        return False

    async def note_pause_kept(self, call_id: str) -> None:
        """Learns nothing."""

    async def set_roles(self, call_id: str, channels: Sequence[CallChannel]) -> bool:
        """Sets nothing."""
        return False

    async def end(self, call_id: str, *, by: str) -> bool:
        """Ends nothing."""
        return False


class CallControl:
    """Writes what is asked of a call into the ledger, and has it done where the call's peer is connected to this process.

    Where it is in another, that one finds in the ledger what is asked, also when it takes the call over later.
    """

    def __init__(self, ledger: CallLedger, hosted: HostedCalls) -> None:
        self._ledger = ledger
        self._hosted = hosted

    async def pause(self, call_id: str, *, by: Caller, reason: str) -> bool:
        """Has a call's audio dropped from now on. Says whether it is dropped now; False: another process has to.

        Raises:
            NotThere: there is no such call, or it is somebody else's.
            CallAlreadyEnded: it is over.
            CallNotHere: an upstream system publishes it.
            DatabaseUnavailable: try again; where the call is in this process its audio is dropped already.
        """
        # The gate first: what comes afterwards may fail, and audio that is not to be kept must not be.
        gated = await self._hosted.pause(call_id, by=by, reason=reason)
        await self._refuse_foreign(call_id, by, "paused")
        await self._ledger.set_paused(call_id, True, by=by.name, reason=reason)
        await self._hosted.note_pause_kept(call_id)
        return gated

    async def resume(self, call_id: str, *, by: Caller, reason: str) -> bool:
        """Has a call's audio kept again. Says whether it is kept now; raises like `pause`."""
        await self._refuse_foreign(call_id, by, "resumed")
        await self._ledger.set_paused(call_id, False, by=by.name, reason=reason)
        return await self._hosted.resume(call_id, by=by)

    async def correct_roles(self, call_id: str, channels: Sequence[CallChannel], *, by: Caller) -> CallView:
        """Has other roles hold for a call, also one that is over. Raises like `CallLedger.correct_roles`."""
        await self._ledger.call(call_id, caller=by)
        call = await self._ledger.correct_roles(call_id, channels, by=by.name)
        await self._hosted.set_roles(call_id, call.channels)
        return call

    async def end(self, call_id: str, *, by: Caller) -> CallView:
        """Has a call end. Raises like `CallLedger.request_end`."""
        await self._ledger.call(call_id, caller=by)
        call = await self._ledger.request_end(call_id, by=by.name)
        await self._hosted.end(call_id, by=by.name)
        return call

    async def _refuse_foreign(self, call_id: str, by: Caller, wish: str) -> None:
        call = await self._ledger.call(call_id, caller=by)
        if call.door == KAFKA:
            raise CallNotHere(
                f"the audio of call {call_id} comes from an upstream system that publishes it to Kafka, so it cannot be {wish} "
                "here; ask that system",
                about={"state": call.state.value},
            )
