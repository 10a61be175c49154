"""Makes the responses with transcripts, in the requested format."""

from typing import Annotated, Any, Literal

from fastapi import Query, Response

from steno.events.result_document import Transcript
from steno_ingest.recordings.transcript_formats import to_srt, to_text, to_webvtt

Format = Annotated[Literal["json", "txt", "vtt", "srt"], Query(description="JSON, plain text, WebVTT or SRT.")]

_WRITERS = {"txt": (to_text, "text/plain"), "vtt": (to_webvtt, "text/vtt"), "srt": (to_srt, "application/x-subrip")}

#: The OpenAPI description of such a response.
TRANSCRIPT_CONTENT: dict[str, Any] = {
    "description": "The transcript.",
    "content": {media_type: {"schema": {"type": "string"}} for _, media_type in _WRITERS.values()},
}


def transcript_answer(transcript: Transcript, format: Format) -> Response:
    """Makes the response with a transcript in a format."""
    if format == "json":
        return Response(transcript.model_dump_json(), media_type="application/json")
    write, media_type = _WRITERS[format]
    return Response(write(transcript), media_type=f"{media_type}; charset=utf-8")
