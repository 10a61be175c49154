"""What comes back by Kafka, applied to the ledger: results, and recordings and cancellations that others published."""

from steno.errors import Permanent
from steno.events import ids
from steno.events.records import (
    CallRecord,
    RecordingCancelled,
    RecordingSubmitted,
    TranscriptCompleted,
    TranscriptFailed,
    TranscriptStarted,
)
from steno.kafka.messages import Message
from steno_ingest.ledger import Ledger, Step
from steno_ingest.states import State


class UnusableId(Permanent):
    """A record's ids or URL cannot be kept in a database."""

    error_class = "unusable_id"


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
            _check(record, record.recording_id, record.url, record.locale)
            await self._ledger.note_submission(with_id(record))
        elif isinstance(record, RecordingCancelled | TranscriptStarted | TranscriptCompleted | TranscriptFailed):
            _check(record, record.recording_id)
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
            return Step(state=State.FAILED, at=record.failed_at, reason=_clean(record.reason), error=_clean(record.error))
        case TranscriptCompleted():
            return Step(
                state=State.COMPLETED if record.phrase_count else State.NO_SPEECH,
                at=record.completed_at,
                result_url=_clean(record.result_url),
                phrase_count=record.phrase_count,
                duration_ms=record.duration_ms,
            )


def _check(record: CallRecord, *texts: str) -> None:
    if any("\0" in text for text in (record.call_id, *texts)):
        raise UnusableId(f"{type(record).__name__} has a NUL character in its ids, URL or locale; publish it without")


def _clean(text: str) -> str:
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}")
