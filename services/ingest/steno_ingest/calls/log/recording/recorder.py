"""Makes the recording of an ended call from the pieces of its audio in the object store.

The recording is a WAVE file in the codec and with the channels of the call, with silence for missing audio. If most of it would
be silence, it is a FLAC file, in which silence takes almost no space. The same pieces make the same bytes and therefore the
same recording id, so all steps can be repeated after a kill; the pieces are deleted last.
"""

from collections.abc import AsyncIterator, Sequence

import structlog

from steno.errors import StenoError
from steno.events.recognition import RecognitionDetails
from steno.events.records import ChannelRole, RecordingSubmitted
from steno_ingest.calls.ledger.account_rows import AccountRows, SavedAccount
from steno_ingest.calls.ledger.call_ledger import CallLedger
from steno_ingest.calls.ledger.view import CallView
from steno_ingest.calls.log.account.account import Account
from steno_ingest.calls.log.audio.flac_file import flac
from steno_ingest.calls.log.audio.piece_store import PieceStore
from steno_ingest.calls.log.audio.pieces import Shape, Span, blocks_of_silence, layout
from steno_ingest.calls.log.audio.wave_file import max_samples, padding, wave_header
from steno_ingest.metrics import CALL_NOTES
from steno_ingest.recordings.intake import Intake, StoredRecording

log = structlog.get_logger("steno.ingest.recorder")

#: The kind of the event of a call without a recording because of an error.
RECORDING_FAILED = "recording_failed"

MAX_SILENCE_BYTES = 1 << 20
"""A file with more silence than this, a minute of two channels, and with less audio than silence, is FLAC."""


class Recorder:
    """Makes recordings of calls, and submits them for a second pass."""

    def __init__(
        self,
        *,
        intake: Intake,
        ledger: CallLedger,
        accounts: AccountRows,
        pieces: PieceStore,
        second_pass: bool,
    ) -> None:
        """
        Args:
            second_pass: Whether recordings are submitted for a better transcription than during the call.
        """
        self._intake = intake
        self._ledger = ledger
        self._accounts = accounts
        self._pieces = pieces
        self._second_pass = second_pass

    async def finish(self, call: SavedAccount) -> None:
        """Makes the recording of an ended call, if it has audio, and marks the call as finished.

        Raises:
            StoreUnavailable, DatabaseUnavailable, PieceGone: call it again.
        """
        account = Account.from_json(call.account)
        spans = await self._pieces.spans(call.call_id)
        # Checked after listing: if another process has finished the call, these may be pieces that it has not deleted yet.
        if spans and not await self._accounts.is_finished(call.call_id):
            recording = await self._record(account, spans)
            await self._ledger.note_recording(call.call_id, recording.recording_id, recording.url)
            # A second pass has one language, so for a call with several the live transcript is better.
            if self._second_pass and not account.several_languages:
                await self._submit(await self._ledger.call(call.call_id), recording, account.recognition)
        # Pieces are deleted last, since some of them alone would make another recording.
        await self._accounts.finish(call.call_id)
        await self._pieces.clear(call.call_id)

    async def give_up(self, call: SavedAccount, error: Exception) -> None:
        """Adds an event to the call that it has no recording, and why. Its pieces stay, so that it can still be made.

        Raises:
            DatabaseUnavailable: call it again.
        """
        # The details of an internal error are for the log only.
        detail = str(error) if isinstance(error, StenoError) else "an internal error of ingest; its log has the details"
        await self._ledger.note_event(call.call_id, RECORDING_FAILED, position_ms=0, detail=detail)
        CALL_NOTES.labels(RECORDING_FAILED).inc()

    async def _record(self, account: Account, spans: Sequence[Span]) -> StoredRecording:
        shape = account.shape
        samples = min(account.position, max_samples(shape.codec, shape.channels))
        if samples < account.position:
            at = samples * 1000 // shape.sample_rate
            await self._ledger.note_event(
                account.call_id,
                "recording_cut",
                position_ms=at,
                detail="a WAVE file is limited to 4 GiB; the rest is cut",
            )
        audio = self._pieces.audio(account.call_id, shape, spans, samples=samples, masks=account.masks)
        sparse = _is_sparse(shape, spans, samples)
        file, suffix = (flac(shape, samples, audio), ".flac") if sparse else (_wave(shape, samples, audio), ".wav")
        recording = await self._intake.store_call(account.call_id, file, suffix=suffix)
        log.info(
            "call.recorded",
            call_id=account.call_id,
            recording_id=recording.recording_id,
            duration_ms=samples * 1000 // shape.sample_rate,
            pieces=len(spans),
        )
        return recording

    async def _submit(self, call: CallView, recording: StoredRecording, recognition: RecognitionDetails) -> None:
        await self._intake.submit_call(
            RecordingSubmitted(
                call_id=call.call_id,
                url=recording.url,
                recording_id=recording.recording_id,
                supersedes=call.recording_id,
                channels=tuple(ChannelRole(channel=entry.channel, role=entry.role) for entry in call.channels),
                locale=call.locale,
                recognition=recognition,
                properties=dict(call.properties),
                sha256=recording.sha256,
                tenant=call.tenant,
            )
        )


def _is_sparse(shape: Shape, spans: Sequence[Span], samples: int) -> bool:
    """Whether a file would have more missing audio than audio, and much of it."""
    missing = sum(part.span.end - part.span.start for part in layout(spans, samples) if part.piece is None)
    return 2 * missing > samples and missing * shape.frame_bytes > MAX_SILENCE_BYTES


async def _wave(shape: Shape, samples: int, audio: AsyncIterator[bytes | int]) -> AsyncIterator[bytes]:
    yield wave_header(shape.codec, sample_rate=shape.sample_rate, channels=shape.channels, samples=samples)
    async for part in audio:
        if isinstance(part, int):
            for block in blocks_of_silence(shape, part):
                yield block
        else:
            yield part
    yield padding(samples * shape.frame_bytes)
