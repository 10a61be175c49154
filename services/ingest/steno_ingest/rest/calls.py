"""The routes of `/v1/calls`: live calls, during the call and afterwards."""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Response

from steno.events.records import CallStatus
from steno.events.result_document import Transcript
from steno.http.paging import Cursor, Limit, position
from steno.http.paths import CALL_ID, LAST_CALL_ID
from steno.http.problems import documented
from steno.http.rest import RequestCaller
from steno_ingest.calls.hosting.control import CallControl
from steno_ingest.calls.ledger.queries import CallFilters, CallQueries
from steno_ingest.calls.ledger.transcripts import CallTranscripts, WhichPass
from steno_ingest.rest.call_models import (
    CallAnswer,
    CallPage,
    CallWithEvents,
    PauseAnswer,
    PauseRequest,
    RolesRequest,
    call_answer,
    call_with_events,
)
from steno_ingest.rest.models import Identifier
from steno_ingest.rest.recordings import Since, Until
from steno_ingest.rest.transcripts import TRANSCRIPT_CONTENT, Format, transcript_answer

CallId = Annotated[Identifier, Path(description="The call.")]
_ACCEPTED: dict[int | str, dict[str, Any]] = {
    202: {"model": PauseAnswer, "description": "Another process has the call and will apply it."}
}


def routes(queries: CallQueries, transcripts: CallTranscripts, control: CallControl) -> APIRouter:
    """Makes the routes."""
    router = APIRouter(prefix="/v1/calls", tags=["calls"])
    _add_reading(router, queries, transcripts)
    _add_control(router, control)
    return router


def _add_reading(router: APIRouter, queries: CallQueries, transcripts: CallTranscripts) -> None:
    @router.get("", summary="List calls", responses=documented(401, 404, 422, 503))
    async def get_calls(
        caller: RequestCaller,
        state: Annotated[CallStatus | None, Query(description="Only calls in this state.")] = None,
        door: Annotated[Identifier | None, Query(description="Only calls that came in by this door.")] = None,
        since: Since = None,
        until: Until = None,
        cursor: Cursor = None,
        limit: Limit = 50,
    ) -> CallPage:
        """Lists live calls by filter, newest first, in pages that new calls do not shift."""
        filters = CallFilters(state=state, door=door, since=since, until=until)
        page = await queries.page(filters, caller=caller, after=position(cursor), limit=limit)
        return CallPage(items=[call_answer(call) for call in page.entries], next=page.next)

    @router.get(f"/{LAST_CALL_ID}", summary="Read a call", responses=documented(401, 404, 422, 503))
    async def get_call(call_id: CallId, caller: RequestCaller) -> CallWithEvents:
        """Returns a call with its state, roles and events."""
        return call_with_events(*await queries.with_events(call_id, caller=caller))

    @router.get(
        f"/{CALL_ID}/transcript",
        summary="Read a call's transcript",
        response_model=Transcript,
        responses={200: TRANSCRIPT_CONTENT, **documented(401, 404, 410, 422, 503)},
    )
    async def get_call_transcript(
        call_id: CallId,
        caller: RequestCaller,
        format: Format = "json",
        which: Annotated[
            WhichPass, Query(alias="pass", description="The pass with the current transcript, or the live pass.")
        ] = WhichPass.CURRENT,
    ) -> Response:
        """Returns the phrases so far by time, with the current roles; all of them once the call has ended."""
        return transcript_answer(await transcripts.transcript(call_id, which, caller=caller), format)


def _add_control(router: APIRouter, control: CallControl) -> None:
    @router.post(
        f"/{CALL_ID}/pause", summary="Pause a call", responses={**_ACCEPTED, **documented(400, 401, 404, 409, 422, 503)}
    )
    async def pause_call(
        call_id: CallId, response: Response, caller: RequestCaller, request: PauseRequest | None = None
    ) -> PauseAnswer:
        """Drops the call's audio before it is stored anywhere, until the call is resumed. 409 if its audio has ended, or if an
        upstream system publishes it."""
        gated = await control.pause(call_id, by=caller, reason=request.reason if request else "")
        response.status_code = 200 if gated else 202
        return PauseAnswer(paused=True, in_effect=gated)

    @router.post(
        f"/{CALL_ID}/resume", summary="Resume a call", responses={**_ACCEPTED, **documented(400, 401, 404, 409, 422, 503)}
    )
    async def resume_call(
        call_id: CallId, response: Response, caller: RequestCaller, request: PauseRequest | None = None
    ) -> PauseAnswer:
        """Stops dropping the call's audio."""
        open_now = await control.resume(call_id, by=caller, reason=request.reason if request else "")
        response.status_code = 200 if open_now else 202
        return PauseAnswer(paused=False, in_effect=open_now)

    @router.put(f"/{CALL_ID}/roles", summary="Correct the roles of a call", responses=documented(400, 401, 404, 422, 503))
    async def put_roles(call_id: CallId, request: RolesRequest, caller: RequestCaller) -> CallAnswer:
        """Corrects the roles of channels, during the call or afterwards; transcript and insights are updated."""
        return call_answer(await control.correct_roles(call_id, request.corrected(), by=caller))

    @router.post(f"/{CALL_ID}/end", status_code=202, summary="End a call", responses=documented(401, 404, 409, 422, 503))
    async def end_call(call_id: CallId, caller: RequestCaller) -> CallAnswer:
        """Requests the end of a call; its state shows when it has ended. 409 if its audio has ended already."""
        return call_answer(await control.end(call_id, by=caller))
