"""What comes back by Kafka, applied to the ledger: results, and recordings and cancellations that others published."""

from steno.events import ids
from steno.events.records import (
    RecordingCancelled,
    RecordingSubmitted,
    TranscriptCompleted,
    TranscriptFailed,
    TranscriptStarted,
)
from steno.kafka.messages import Message
from steno_ingest.ledger import Ledger, Step
from steno_ingest.states import State
from steno_ingest.texts import check_ids, clean


class Results:
    """The handler of the topics `recordings` and `transcripts`; idempotent, and in need of no order."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    async def handle(self, message: Message) -> None:
        """Applies one record.

        Raises:
            UnusableId: it has a NUL in its ids, which PostgreSQL keeps in no text.
            DatabaseUnavailable: try again later.
        """
        record = message.record
        if isinstance(record, RecordingSubmitted):
            check_ids(record, record.recording_id, record.url, record.locale)
            await self._ledger.note_submission(with_id(record))
        elif isinstance(record, RecordingCancelled | TranscriptStarted | TranscriptCompleted | TranscriptFailed):
            check_ids(record, record.recording_id)
            await self._ledger.note_step(record.recording_id, record.call_id, step_of(record))


def with_id(record: RecordingSubmitted) -> RecordingSubmitted:
    """The record with the id its publisher left to be derived, as the transcriber derives it."""
    if record.recording_id:
        return record
    return record.model_copy(update={"recording_id": ids.recording_id(record.call_id, record.sha256 or record.url)})


def step_of(record: RecordingCancelled | TranscriptStarted | TranscriptCompleted | TranscriptFailed) -> Step:
    """The state that a record says its recording came to."""
    match record:
        case RecordingCancelled():
            return Step(state=State.CANCELLED, at=record.cancelled_at)
        case TranscriptStarted():
            return Step(state=State.RUNNING, at=record.started_at)
        case TranscriptFailed():
            return Step(state=State.FAILED, at=record.failed_at, reason=clean(record.reason), error=clean(record.error))
        case TranscriptCompleted():
            return Step(
                state=State.COMPLETED if record.phrase_count else State.NO_SPEECH,
                at=record.completed_at,
                result_url=clean(record.result_url),
                phrase_count=record.phrase_count,
                duration_ms=record.duration_ms,
            )
