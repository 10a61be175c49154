"""Results read back: the result document of a recording that has one."""

from typing import Any

import structlog
from pydantic import ValidationError
from sqlalchemy import Row

from steno.events.result_document import RESULT_PREFIX, Transcript
from steno.storage.objects import ForeignObject, ObjectMissing, ObjectStore
from steno_ingest.errors import NeverToBe, NotYet
from steno_ingest.recordings.states import State

log = structlog.get_logger("steno.ingest.reader")


class Reader:
    """Reads transcripts from the object store."""

    def __init__(self, objects: ObjectStore) -> None:
        self._objects = objects

    async def document(self, row: Row[Any]) -> bytes:
        """The result document of a recording, as JSON.

        Raises:
            NotYet: the recording has not ended.
            NeverToBe: it failed, was cancelled, or its result is not kept any more.
            StoreUnavailable: try again later.
        """
        state = State(row.state)
        if not state.ended:
            raise NotYet(
                f"the recording has no transcript yet, it is {state.value}; ask again later, or register a webhook",
                about={"state": state.value},
            )
        if state is State.FAILED:
            raise NeverToBe(
                f"the recording failed: {row.reason}",
                about={"state": state.value, "reason": row.reason or ""},
            )
        if state is State.CANCELLED:
            raise NeverToBe("the recording was cancelled, so it has no transcript", about={"state": state.value})
        if not row.result_url:
            return _empty(row).model_dump_json().encode()
        try:
            return await self._objects.get(row.result_url, below=RESULT_PREFIX)
        except (ObjectMissing, ForeignObject) as error:
            log.warning("result.missing", call_id=row.call_id, recording_id=row.recording_id, reason=str(error))
            raise NeverToBe(
                "the result document is not in the object store (any more); submit the recording again under another call id",
                about={"state": state.value},
            ) from error

    async def transcript(self, row: Row[Any]) -> Transcript:
        """The same, parsed; raises like `document`."""
        document = await self.document(row)
        try:
            return Transcript.model_validate_json(document)
        except ValidationError as error:
            log.error("result.unreadable", call_id=row.call_id, recording_id=row.recording_id, problems=error.error_count())
            raise NeverToBe(
                "the result document is not one of Steno's, so it can be had with format=json only",
                about={"state": State(row.state).value},
            ) from error


def _empty(row: Row[Any]) -> Transcript:
    return Transcript(call_id=row.call_id, recording_id=row.recording_id, locale=row.locale, duration_ms=row.duration_ms or 0)
