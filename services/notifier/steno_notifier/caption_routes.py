"""The route `GET /v1/calls/{call_id}/captions`: the captions of a call as server-sent events.

Source: WHATWG HTML, "Server-sent events": the event stream format, `Last-Event-ID`, 204 to stop a client from reconnecting.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Annotated, Any

import structlog
from fastapi import APIRouter, Header, Path, Query, Response
from fastapi.responses import StreamingResponse
from fastapi.sse import format_sse_event
from starlette.types import Message, Send

from steno.http.paths import CALL_ID
from steno.http.problems import ApiProblem, documented, not_there
from steno.http.rest import RequestCaller
from steno_notifier.caption_streams import CaptionStream, CaptionStreams, NoSuchCall, TooManyReaders
from steno_notifier.captions import Cursor

log = structlog.get_logger("steno.notifier.captions")

# How long a reader may take no byte before its connection is closed.
_STUCK_SECONDS = 30.0
_RECONNECT_MS = 1000
_EXAMPLE = """id: 12-340-9001-7
event: phrase
data: {"call_id":"call-1","sequence":6,"channel":1,"role":"customer","start_ms":81200,"text":"I lost my card.", ...}

"""
_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {
        "description": (
            "`state` (the call as it stands, and each change), `hypothesis` and `phrase` (each once), with the record as JSON; "
            "then `end`. A comment every 15 seconds. Where the connection is lost, or closed with a comment that says why, "
            "the `id` of the last event leads on: nothing is missed, no phrase comes twice."
        ),
        "content": {"text/event-stream": {"schema": {"type": "string"}, "example": _EXAMPLE}},
    },
    204: {"description": "The cursor is that of the end: there is no more."},
    **documented(404),
}

CallId = Annotated[str, Path(max_length=256, pattern=r"^[^\x00]+$", description="The call.")]
CursorParameter = Annotated[str, Query(max_length=4096, description="The `id` of an event: what came after it is wanted.")]
LastEventId = Annotated[
    str,
    Header(alias="Last-Event-ID", max_length=4096, description="The same, as browsers send it; it counts before the other."),
]


class CaptionResponse(StreamingResponse):
    """A response that sends captions as they come, and releases the reader's resources however it ends."""

    def __init__(self, stream: CaptionStream) -> None:
        self._stream = stream
        self._events = _events(stream)
        # A proxy must hand on each event at once.
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        super().__init__(self._events, headers=headers, media_type="text/event-stream")

    async def stream_response(self, send: Send) -> None:
        """Sends captions until they end, or until the client has read nothing for too long."""

        async def send_soon(message: Message) -> None:
            try:
                async with asyncio.timeout(_STUCK_SECONDS) as self._stream.patience:
                    await send(message)
            finally:
                self._stream.patience = None

        try:
            await super().stream_response(send_soon)
        except TimeoutError:
            log.warning("captions.reader_stuck")
        finally:
            await self._events.aclose()
            self._stream.close()


def add_captions(router: APIRouter, streams: CaptionStreams) -> None:
    """Adds the route to a router."""

    @router.get(f"/calls/{CALL_ID}/captions", response_class=Response, responses=_RESPONSES)
    async def get_captions(
        call_id: CallId, caller: RequestCaller, cursor: CursorParameter = "", last_event_id: LastEventId = ""
    ) -> Response:
        """What is said in a call, as it is said: from its beginning on, or from where a cursor stands. 404 where no such
        call was live within the last day, or the cursor is none."""
        given = last_event_id or cursor
        try:
            after = Cursor.parse(given) if given else None
        except ValueError as error:
            raise not_there(str(error)) from None
        if after is not None and after.ended:
            return Response(status_code=204)
        try:
            return CaptionResponse(await streams.open(call_id, after, caller))
        except NoSuchCall:
            raise not_there(f"no call {call_id} was live within the last day; ingest has the older ones") from None
        except TooManyReaders as error:
            raise ApiProblem(503, "too_many_readers", str(error), headers={"Retry-After": "5"}) from None


async def _events(stream: CaptionStream) -> AsyncGenerator[bytes, None]:
    yield format_sse_event(retry=_RECONNECT_MS)
    async with aclosing(stream.captions()) as captions:
        async for caption in captions:
            if caption is None:
                yield format_sse_event(comment="still here")
            else:
                yield format_sse_event(event=caption.event, data_str=caption.data, id=str(caption.cursor))
    if stream.closed_because:
        yield format_sse_event(comment=f"closed: {stream.closed_because}")
