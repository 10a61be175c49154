"""The operations of the API on a call in this or another process: pause, resume, correct roles, end."""

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
        """Pauses a call that a caller sees; returns whether it is in this process and is paused now."""

    async def resume(self, call_id: str, *, by: Caller) -> bool:
        """Resumes a call that a caller sees, after the ledger; returns whether it is in this process and runs now."""

    async def note_pause_stored(self, call_id: str) -> None:
        """Records that the pause of a call is in the ledger. Before that, the ledger cannot resume the call."""

    async def set_roles(self, call_id: str, channels: Sequence[CallChannel]) -> bool:
        """Sets the roles of a call's channels, after its log; returns whether the call is in this process."""

    async def end(self, call_id: str, *, by: str) -> bool:
        """Starts to end a call as its protocol requires; returns whether the call is in this process."""


class NoHostedCalls:
    """The calls of a process without doors."""

    async def pause(self, call_id: str, *, by: Caller, reason: str) -> bool:
        """Pauses nothing."""
        return False

    async def resume(self, call_id: str, *, by: Caller) -> bool:
        """Resumes nothing."""
        return False

    async def note_pause_stored(self, call_id: str) -> None:
        """Records nothing."""

    async def set_roles(self, call_id: str, channels: Sequence[CallChannel]) -> bool:
        """Sets nothing."""
        return False

    async def end(self, call_id: str, *, by: str) -> bool:
        """Ends nothing."""
        return False


class CallControl:
    """Writes requests about calls into the ledger, and applies them if the call is in this process.

    If the call is in another process, that one reads the request from the ledger, also if it takes over the call later.
    """

    def __init__(self, ledger: CallLedger, hosted: HostedCalls) -> None:
        self._ledger = ledger
        self._hosted = hosted

    async def pause(self, call_id: str, *, by: Caller, reason: str) -> bool:
        """Drops a call's audio from now on; returns False if another process must do that.

        Raises:
            NotThere: there is no such call that the caller sees.
            CallAlreadyEnded: its audio has ended.
            CallNotHere: an upstream system publishes it.
            DatabaseUnavailable: try again; a call in this process is paused already.
        """
        # The gate is closed first, since the ledger may fail, and the audio must not be stored in any case.
        gated = await self._hosted.pause(call_id, by=by, reason=reason)
        await self._refuse_foreign(call_id, by, "paused")
        await self._ledger.set_paused(call_id, True, by=by.name, reason=reason)
        await self._hosted.note_pause_stored(call_id)
        return gated

    async def resume(self, call_id: str, *, by: Caller, reason: str) -> bool:
        """Stops dropping a call's audio; returns whether that is in effect. Raises like `pause`."""
        await self._refuse_foreign(call_id, by, "resumed")
        await self._ledger.set_paused(call_id, False, by=by.name, reason=reason)
        return await self._hosted.resume(call_id, by=by)

    async def correct_roles(self, call_id: str, channels: Sequence[CallChannel], *, by: Caller) -> CallView:
        """Corrects the roles of a call, also after its end. Raises like `CallLedger.correct_roles`."""
        await self._ledger.call(call_id, caller=by)
        call = await self._ledger.correct_roles(call_id, channels, by=by.name)
        await self._hosted.set_roles(call_id, call.channels)
        return call

    async def end(self, call_id: str, *, by: Caller) -> CallView:
        """Ends a call. Raises like `CallLedger.request_end`."""
        await self._ledger.call(call_id, caller=by)
        call = await self._ledger.request_end(call_id, by=by.name)
        await self._hosted.end(call_id, by=by.name)
        return call

    async def _refuse_foreign(self, call_id: str, by: Caller, change: str) -> None:
        call = await self._ledger.call(call_id, caller=by)
        if call.door == KAFKA:
            raise CallNotHere(
                f"the audio of call {call_id} is published to Kafka by an upstream system, so it cannot be {change} here; use "
                "that system",
                about={"state": call.state.value},
            )
