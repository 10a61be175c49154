"""Applies records from Kafka to the ledgers: results of transcribers, and recordings and cancellations by other publishers."""

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
    """The id of a recording is that of the live pass over its call."""

    error_class = "live_pass"


class Results:
    """Handles the records of the topics `recordings`, `transcripts` and `phrases`, in any order and repeatedly.

    In each order a recording ends the same. Only the start of its transcript is ignored where it comes before the submission.

    Records of a live pass are applied to the ledger of calls, those of a recording to the ledger of recordings. If the
    transcript of a recording replaces that of another pass, both ledgers are updated.
    """

    def __init__(self, ledger: RecordingLedger, calls: CallLedger) -> None:
        self._ledger = ledger
        self._calls = calls

    async def handle(self, message: Message) -> None:
        """Applies one record.

        Raises:
            UnusableId: an id contains a NUL, which PostgreSQL cannot store.
            LivePass: it is about a recording, but has the id of a live pass.
            DatabaseUnavailable: try again later.
        """
        match message.record:
            case Phrase() as phrase:
                # Phrases of recordings are in the result documents.
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
            f"{type(record).__name__} has the recording_id of the live pass over its call; omit it, or use another one"
        )


def with_id(record: RecordingSubmitted) -> RecordingSubmitted:
    """Returns the record with its id, which is derived if its publisher gave none."""
    return record.model_copy(update={"recording_id": ids.recording_id_of(record)})


def step_of(record: Outcome) -> Step:
    """Converts a record to the step of its recording."""
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
