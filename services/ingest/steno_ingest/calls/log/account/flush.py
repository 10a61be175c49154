"""Makes safe what the call log has taken: pieces of audio, then notes, then the accounts that say so."""

from collections.abc import Sequence

import structlog

from steno_ingest.calls.ledger.account_rows import AccountRows
from steno_ingest.calls.ledger.call_ledger import CallLedger
from steno_ingest.calls.log.account.open_call import Batch, OpenCall
from steno_ingest.calls.log.audio.piece_store import PieceStore
from steno_ingest.metrics import CALL_NOTES, HELD_BYTES

log = structlog.get_logger("steno.ingest.call_log")

#: Audio of all calls held at most; beyond it a call's audio is kept before more of it is taken.
MOST_HELD_BYTES = 192 << 20

#: Audio of one call held at most: sixteen minutes of two channels of G.711, which come at once where a call is published so.
MOST_OF_A_CALL_BYTES = 16 << 20


class Flusher:
    """What of calls is held in memory, and how it gets out of there."""

    def __init__(
        self, ledger: CallLedger, accounts: AccountRows, pieces: PieceStore, *, most_held_bytes: int = MOST_HELD_BYTES
    ) -> None:
        self._ledger = ledger
        self._accounts = accounts
        self._pieces = pieces
        self._most_held_bytes = most_held_bytes
        self._held_bytes = 0

    def hold(self, call: OpenCall, position: int, audio: bytes) -> None:
        """Holds audio of a call, as far as a recording can."""
        if position < call.most_samples:
            held = call.audio.held
            call.audio.add(position, audio)
            self._held_bytes += call.audio.held - held

    def release(self, calls: Sequence[OpenCall]) -> None:
        """These calls are others' now."""
        self._held_bytes -= sum(call.audio.held for call in calls)

    async def make_room(self, call: OpenCall) -> None:
        """Returns when there is room for more audio of a call. Raises `StoreUnavailable`."""
        held = call.audio.held
        if held < MOST_OF_A_CALL_BYTES and (self._held_bytes < self._most_held_bytes or not held):
            return
        pieces = call.audio.take()
        try:
            await self._pieces.put([(call.account.call_id, *piece) for piece in pieces])
        except BaseException:
            call.audio.put_back(pieces)
            raise
        self._held_bytes -= sum(len(audio) for _, audio in pieces)

    async def keep(self, calls: Sequence[OpenCall]) -> None:
        """Makes safe what was taken of calls.

        Raises:
            StoreUnavailable, DatabaseUnavailable: it is all held on to.
        """
        batches = [call.batch() for call in calls]
        try:
            await self._pieces.put([(batch.account.call_id, *piece) for batch in batches for piece in batch.pieces])
            for batch in batches:
                await self._note(batch)
            await self._accounts.keep([batch.account for batch in batches])
        except BaseException:
            for call, batch in zip(calls, batches, strict=True):
                call.take_back(batch)
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
