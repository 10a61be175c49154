"""Builds the transcript of a call, of its live pass (also during the call) or of the current pass.

Its roles are the current ones of the call, so a correction applies to every transcript without another pass.
"""

from enum import StrEnum

import structlog
from pydantic import ValidationError

from steno.events.records import Role
from steno.events.result_document import RESULT_PREFIX, Transcript
from steno.storage.objects import ForeignObject, ObjectMissing, ObjectStore
from steno.tenants import Caller
from steno_ingest.calls.ledger.passes import Pass
from steno_ingest.calls.ledger.queries import CallQueries
from steno_ingest.calls.ledger.view import CallView
from steno_ingest.errors import NoTranscript

log = structlog.get_logger("steno.ingest.calls")


class WhichPass(StrEnum):
    """The choice of a pass over a call."""

    #: The pass with the current transcript.
    CURRENT = "current"
    #: The pass made during the call.
    LIVE = "live"


class CallTranscripts:
    """Builds transcripts of calls from rows and from the object store."""

    def __init__(self, queries: CallQueries, objects: ObjectStore) -> None:
        self._queries = queries
        self._objects = objects

    async def transcript(self, call_id: str, which: WhichPass, *, caller: Caller) -> Transcript:
        """Returns the transcript of a call so far.

        Raises:
            NotThere: there is no such call.
            NoTranscript: the result document of the current pass is no longer stored.
            DatabaseUnavailable, StoreUnavailable: try again later.
        """
        call, passes = await self._queries.with_passes(call_id, caller=caller)
        known = {entry.recording_id: entry for entry in passes}
        if which is WhichPass.CURRENT and call.current_recording_id not in ("", call.recording_id):
            transcript = await self._of_recording(call, known[call.current_recording_id])
        else:
            transcript = await self._of_live_pass(call, known.get(call.recording_id))
        return _with_roles(transcript, call)

    async def _of_live_pass(self, call: CallView, ended: Pass | None) -> Transcript:
        return Transcript(
            call_id=call.call_id,
            recording_id=call.recording_id,
            locale=call.locale,
            duration_ms=max(call.heard_ms, ended.duration_ms if ended else 0),
            observations=ended.observations if ended else (),
            channels=len(call.channels),
            engine=ended.engine if ended else "",
            phrases=await self._queries.phrases(call),
        )

    async def _of_recording(self, call: CallView, current: Pass) -> Transcript:
        if not current.result_url:
            return Transcript(
                call_id=call.call_id,
                recording_id=current.recording_id,
                locale=call.locale,
                duration_ms=current.duration_ms,
                observations=current.observations,
                channels=len(call.channels),
                engine=current.engine,
            )
        try:
            return Transcript.model_validate_json(await self._objects.get(current.result_url, below=RESULT_PREFIX))
        except (ObjectMissing, ForeignObject, ValidationError) as error:
            log.error(
                "call.result_missing", call_id=call.call_id, recording_id=current.recording_id, error=type(error).__name__
            )
            raise NoTranscript(
                "the result document of the call's current pass is missing in the object store, or is not one of Steno's; "
                "the live transcript is available with pass=live",
                about={"state": call.state.value},
            ) from error


def _with_roles(transcript: Transcript, call: CallView) -> Transcript:
    roles = {entry.channel: entry.role for entry in call.channels}
    return transcript.model_copy(
        update={
            "phrases": tuple(
                phrase.model_copy(update={"role": roles.get(phrase.channel, Role.UNKNOWN)}) for phrase in transcript.phrases
            )
        }
    )
