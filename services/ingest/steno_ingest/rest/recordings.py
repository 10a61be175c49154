"""The routes of `/v1/recordings` and `/v1/ledger`."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import APIRouter, Header, Path, Query, Request, Response
from pydantic import AfterValidator, AwareDatetime, BeforeValidator
from sqlalchemy.ext.asyncio import AsyncEngine

from steno.events.result_document import Transcript
from steno.http.auth import ApiKeys
from steno.http.paging import Cursor, Limit, position
from steno.http.problems import documented
from steno.http.rest import RequestCaller
from steno.utc import in_utc
from steno_ingest.balance import read_balance
from steno_ingest.recordings.intake import ClientKey, Intake
from steno_ingest.recordings.ledger import Filters, RecordingLedger
from steno_ingest.recordings.states import State
from steno_ingest.recordings.transcripts import TranscriptReader
from steno_ingest.recordings.view import RecordingView
from steno_ingest.rest.models import (
    AcceptedRecording,
    Identifier,
    LedgerAnswer,
    RecordingAnswer,
    RecordingPage,
    accepted_answer,
    ledger_answer,
    location,
    recording_answer,
)
from steno_ingest.rest.submissions import REQUEST_BODY, submit
from steno_ingest.rest.transcripts import TRANSCRIPT_CONTENT, Format, transcript_answer


def _check_date_format(value: object) -> object:
    # Pydantic would interpret a number as seconds since 1970.
    if isinstance(value, str) and re.match(r"\d{4}-\d\d-\d\d[Tt ]", value) is None:
        raise ValueError("must be a date and time with a zone, e.g. 2026-01-31T12:00:00Z (RFC 3339)")
    return value


RESULT_WAITS = (0.1, 0.2, 0.4, 0.8)
"""Seconds between reads of a recording whose transcript is requested: a client may get the webhook before the ledger is
updated."""

RecordingId = Annotated[Identifier, Path(description="The recording.")]
Moment = Annotated[AwareDatetime, BeforeValidator(_check_date_format), AfterValidator(in_utc)]
Since = Annotated[Moment | None, Query(description="Only entries accepted at this time or later.")]
Recount = Annotated[
    bool,
    Query(
        description="Whether to count what has ended anew as well, and to compare: takes seconds with millions of entries, in "
        "which SQLite takes no changes. Only for keys with `tenant=*`; without effect for others."
    ),
]
Until = Annotated[Moment | None, Query(description="Only entries accepted before this time.")]


async def wait_for_result(
    read: Callable[[], Awaitable[RecordingView]], *, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
) -> RecordingView:
    """Reads a recording, several times if it has not ended; returns the last result."""
    recording = await read()
    for seconds in RESULT_WAITS:
        if recording.state.ended:
            break
        await sleep(seconds)
        recording = await read()
    return recording


def routes(keys: ApiKeys, intake: Intake, ledger: RecordingLedger, reader: TranscriptReader, engine: AsyncEngine) -> APIRouter:
    """Makes the routes."""
    router = APIRouter(prefix="/v1", tags=["recordings"])

    @router.post(
        "/recordings",
        status_code=202,
        summary="Submit a recording",
        responses={
            202: {"headers": {"Location": {"description": "The recording.", "schema": {"type": "string"}}}},
            **documented(400, 401, 403, 409, 413, 415, 422, 503),
        },
        openapi_extra={"requestBody": REQUEST_BODY},
    )
    async def post_recording(
        request: Request,
        response: Response,
        caller: RequestCaller,
        idempotency_key: Annotated[
            str | None,
            Header(
                min_length=1,
                max_length=256,
                pattern=r"^[!-~]([ -~]*[!-~])?$",
                description="A repeated request with the same key returns the same recording.",
            ),
        ] = None,
    ) -> AcceptedRecording:
        """Accepts an uploaded file (multipart: `file`, and `metadata` as JSON), or the URL of one (JSON with a `url`).

        After the response 202 the recording will end as completed, no_speech, failed (with a reason) or cancelled. The same
        audio for the same call is one recording, however often it is submitted.
        """
        key = None if idempotency_key is None else ClientKey(client=caller, key=idempotency_key)
        answer = accepted_answer(await submit(request, intake, keys, caller, key))
        response.headers["Location"] = location(answer.recording_id)
        return answer

    @router.get("/recordings", summary="List recordings", responses=documented(401, 404, 422, 503))
    async def get_recordings(
        caller: RequestCaller,
        state: Annotated[State | None, Query(description="Only recordings in this state.")] = None,
        call_id: Annotated[Identifier | None, Query(description="Only recordings of this call.")] = None,
        since: Since = None,
        until: Until = None,
        cursor: Cursor = None,
        limit: Limit = 50,
    ) -> RecordingPage:
        """Lists recordings by filter, newest first, in pages that new recordings do not shift."""
        filters = Filters(state=state, call_id=call_id, since=since, until=until)
        page = await ledger.page(filters, caller=caller, after=position(cursor), limit=limit)
        return RecordingPage(items=[recording_answer(recording) for recording in page.entries], next=page.next)

    @router.get("/recordings/{recording_id}", summary="Read a recording", responses=documented(401, 404, 422, 503))
    async def get_recording(recording_id: RecordingId, caller: RequestCaller) -> RecordingAnswer:
        """Returns a recording with its state."""
        return recording_answer(await ledger.recording(recording_id, caller=caller))

    @router.get(
        "/recordings/{recording_id}/transcript",
        summary="Read a transcript",
        response_model=Transcript,
        responses={200: TRANSCRIPT_CONTENT, **documented(401, 404, 409, 410, 422, 503)},
    )
    async def get_transcript(recording_id: RecordingId, caller: RequestCaller, format: Format = "json") -> Response:
        """Returns the phrases of a recording by time. If there is no transcript yet, it waits up to two seconds, then answers
        409 with `Retry-After`; 410 if there will be none."""
        recording = await wait_for_result(lambda: ledger.recording(recording_id, caller=caller))
        if format == "json":
            return Response(await reader.document(recording), media_type="application/json")
        return transcript_answer(await reader.transcript(recording), format)

    @router.post(
        "/recordings/{recording_id}/cancel", summary="Cancel a recording", responses=documented(401, 404, 409, 422, 503)
    )
    async def cancel_recording(recording_id: RecordingId, caller: RequestCaller) -> RecordingAnswer:
        """Cancels a recording. 409 if it has ended already."""
        return recording_answer(await ledger.cancel(recording_id, caller=caller))

    @router.get("/ledger", summary="Read the ledger", tags=["ledger"], responses=documented(401, 422, 503))
    async def get_ledger(caller: RequestCaller, recount: Recount = False) -> LedgerAnswer:
        """Returns the numbers of accepted recordings and live calls, in total and by state."""
        return ledger_answer(await read_balance(engine, caller, recount=recount and caller.everything))

    return router
