"""Saves the state of calls: first pieces of audio, then notes, then accounts, which imply that the others are saved."""

from collections.abc import Sequence

import structlog

from steno_ingest.calls.ledger.account_rows import AccountRows
from steno_ingest.calls.ledger.call_ledger import CallLedger
from steno_ingest.calls.log.account.open_call import Batch, OpenCall
from steno_ingest.calls.log.audio.piece_store import PieceStore
from steno_ingest.metrics import CALL_NOTES, HELD_BYTES

log = structlog.get_logger("steno.ingest.call_log")

#: The limit of held audio of all calls; above it a call's audio is saved before more of it is handled.
MAX_HELD_BYTES = 192 << 20

#: The limit of held audio of one call: sixteen minutes of two channels of G.711, which a publisher may send at once.
MAX_CALL_BYTES = 16 << 20


class Flusher:
    """Limits the audio that open calls hold in memory, and saves calls."""

    def __init__(
        self, ledger: CallLedger, accounts: AccountRows, pieces: PieceStore, *, max_held_bytes: int = MAX_HELD_BYTES
    ) -> None:
        self._ledger = ledger
        self._accounts = accounts
        self._pieces = pieces
        self._max_held_bytes = max_held_bytes
        self._held_bytes = 0

    def add(self, call: OpenCall, position: int, audio: bytes) -> None:
        """Adds audio to a call, up to the maximum length of a recording."""
        if position < call.max_samples:
            held = call.audio.held_bytes
            call.audio.add(position, audio)
            self._held_bytes += call.audio.held_bytes - held

    def release(self, calls: Sequence[OpenCall]) -> None:
        """Stops counting the audio of calls that belong to another process now."""
        self._held_bytes -= sum(call.audio.held_bytes for call in calls)

    async def make_room(self, call: OpenCall) -> None:
        """Saves the audio of a call if the call, or all calls together, hold too much. Raises `StoreUnavailable`."""
        held = call.audio.held_bytes
        if held < MAX_CALL_BYTES and (self._held_bytes < self._max_held_bytes or not held):
            return
        pieces = call.audio.drain()
        try:
            await self._pieces.put([(call.account.call_id, *piece) for piece in pieces])
        except BaseException:
            call.audio.put_back(pieces)
            raise
        self._held_bytes -= sum(len(audio) for _, audio in pieces)

    async def flush(self, calls: Sequence[OpenCall]) -> None:
        """Saves calls.

        Raises:
            StoreUnavailable, DatabaseUnavailable: everything is still held.
        """
        batches = [call.begin_flush() for call in calls]
        try:
            await self._pieces.put([(batch.account.call_id, *piece) for batch in batches for piece in batch.pieces])
            for batch in batches:
                await self._note(batch)
            await self._accounts.save([batch.account for batch in batches])
        except BaseException:
            for call, batch in zip(calls, batches, strict=True):
                call.revert_flush(batch)
            raise
        self._held_bytes -= sum(len(audio) for batch in batches for _, audio in batch.pieces)
        HELD_BYTES.set(self._held_bytes)

    async def _note(self, batch: Batch) -> None:
        call_id = batch.account.call_id
        for note in batch.notes:
            await self._ledger.note_event(
                call_id, note.kind, position_ms=note.position_ms, duration_ms=note.duration_ms, detail=note.detail
            )
            CALL_NOTES.labels(note.kind).inc()
            log.info("call.noted", call_id=call_id, kind=note.kind, position_ms=note.position_ms)
