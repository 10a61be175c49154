"""Applies records from Kafka to the ledgers: results of transcribers, recordings and cancellations that others published."""

from steno.errors import Permanent
from steno.events import ids
from steno.events.records import (
    Phrase,
    RecordingCancelled,
    RecordingSubmitted,
    TranscriptCompleted,
    TranscriptFailed,
    TranscriptStarted,
)
from steno.kafka.messages import Message
from steno_ingest.calls.ledger.call_ledger import CallLedger
from steno_ingest.nul_characters import refuse_nul, without_nul
from steno_ingest.recordings.ledger import RecordingLedger
from steno_ingest.recordings.states import State
from steno_ingest.recordings.view import Step

Outcome = RecordingCancelled | TranscriptStarted | TranscriptCompleted | TranscriptFailed


class LivePass(Permanent):
    """A recording names itself as the live pass over its call does."""

    error_class = "live_pass"


class Results:
    """Handles the records of the topics `recordings`, `transcripts` and `phrases`, in any order and as often as they come.

    Records of a live pass go to the ledger of calls, those of a recording to the ledger of recordings; a recording whose
    transcript replaces that of another pass goes to both.
    """

    def __init__(self, ledger: RecordingLedger, calls: CallLedger) -> None:
        self._ledger = ledger
        self._calls = calls

    async def handle(self, message: Message) -> None:
        """Applies one record.

        Raises:
            UnusableId: it has a NUL in its ids, which PostgreSQL keeps in no text.
            LivePass: it tells of a recording by the id of a live pass.
            DatabaseUnavailable: try again later.
        """
        match message.record:
            case Phrase() as phrase:
                # Those of recordings are in their result documents.
                if ids.is_live_pass(phrase.call_id, phrase.recording_id):
                    await self._calls.note_phrase(phrase)
            case RecordingSubmitted() as record:
                refuse_nul(record, record.recording_id, record.url, record.locale)
                _refuse_live(record)
                await self._ledger.note_submission(with_id(record))
            case RecordingCancelled() as record:
                _refuse_live(record)
                await self._note_step(record)
            case TranscriptStarted() | TranscriptCompleted() | TranscriptFailed() as record:
                if not ids.is_live_pass(record.call_id, record.recording_id):
                    await self._note_step(record)
                await self._calls.note_transcript(record)

    async def _note_step(self, record: Outcome) -> None:
        refuse_nul(record, record.recording_id)
        await self._ledger.note_step(record.recording_id, record.call_id, step_of(record))


def _refuse_live(record: RecordingSubmitted | RecordingCancelled) -> None:
    if ids.is_live_pass(record.call_id, record.recording_id):
        raise LivePass(
            f"{type(record).__name__} has the recording_id of the live pass over its call; leave it out, or take another"
        )


def with_id(record: RecordingSubmitted) -> RecordingSubmitted:
    """The record with its id, derived where its publisher gave none."""
    return record.model_copy(update={"recording_id": ids.recording_id_of(record)})


def step_of(record: Outcome) -> Step:
    """The step that a record says its recording made."""
    match record:
        case RecordingCancelled():
            return Step(state=State.CANCELLED, at=record.cancelled_at)
        case TranscriptStarted():
            return Step(state=State.RUNNING, at=record.started_at)
        case TranscriptFailed():
            return Step(
                state=State.FAILED, at=record.failed_at, reason=without_nul(record.reason), error=without_nul(record.error)
            )
        case TranscriptCompleted():
            return Step(
                state=State(record.outcome),
                at=record.completed_at,
                result_url=without_nul(record.result_url),
                phrase_count=record.phrase_count,
                duration_ms=record.duration_ms,
                damaged_ms=record.damaged_ms,
                missing_ms=record.missing_ms,
            )
