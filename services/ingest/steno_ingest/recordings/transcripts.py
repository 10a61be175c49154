"""Reads the transcripts of recordings from the object store."""

import structlog
from pydantic import ValidationError

from steno.events.result_document import RESULT_PREFIX, Transcript
from steno.storage.objects import ForeignObject, ObjectMissing, ObjectStore
from steno_ingest.errors import NoTranscript, TranscriptNotReady
from steno_ingest.recordings.states import State
from steno_ingest.recordings.view import RecordingView

log = structlog.get_logger("steno.ingest.reader")


class TranscriptReader:
    """Reads transcripts from the object store."""

    def __init__(self, objects: ObjectStore) -> None:
        self._objects = objects

    async def document(self, recording: RecordingView) -> bytes:
        """Reads the result document of a recording, as JSON.

        Raises:
            TranscriptNotReady: the recording has not ended.
            NoTranscript: it failed, was cancelled, or its result is no longer stored.
            StoreUnavailable: try again later.
        """
        state = recording.state
        if not state.ended:
            raise TranscriptNotReady(
                f"the recording has no transcript yet, it is {state.value}; try again later, or register a webhook",
                about={"state": state.value},
            )
        if state is State.FAILED:
            raise NoTranscript(
                f"the recording failed: {recording.reason}",
                about={"state": state.value, "reason": recording.reason or ""},
            )
        if state is State.CANCELLED:
            raise NoTranscript("the recording was cancelled, so it has no transcript", about={"state": state.value})
        if not recording.result_url:
            return _empty(recording).model_dump_json().encode()
        try:
            return await self._objects.get(recording.result_url, below=RESULT_PREFIX)
        except (ObjectMissing, ForeignObject) as error:
            log.warning("result.missing", call_id=recording.call_id, recording_id=recording.recording_id, reason=str(error))
            raise NoTranscript(
                "the result document is missing in the object store; submit the recording again with another call id",
                about={"state": state.value},
            ) from error

    async def transcript(self, recording: RecordingView) -> Transcript:
        """Reads and parses the result document of a recording; raises like `document`."""
        document = await self.document(recording)
        try:
            return Transcript.model_validate_json(document)
        except ValidationError as error:
            log.error(
                "result.unreadable",
                call_id=recording.call_id,
                recording_id=recording.recording_id,
                problems=error.error_count(),
            )
            raise NoTranscript(
                "the result document is not one of Steno's, so it is available with format=json only",
                about={"state": recording.state.value},
            ) from error


def _empty(recording: RecordingView) -> Transcript:
    return Transcript(
        call_id=recording.call_id,
        recording_id=recording.recording_id,
        locale=recording.locale,
        duration_ms=recording.duration_ms or 0,
    )
