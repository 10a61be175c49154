"""Reads the body of `POST /v1/recordings` in pieces, and describes it for OpenAPI."""

from collections.abc import AsyncIterator
from typing import Any

from fastapi import Request

from steno.http.auth import ApiKeys
from steno.http.gate import KEY_GONE
from steno.http.problems import ApiProblem
from steno.tenants import Caller
from steno_ingest.errors import EmptyAudio, Fault, InvalidMetadata, TooLarge
from steno_ingest.recordings.intake import ClientKey, Intake, Upload
from steno_ingest.recordings.metadata import Metadata, parse_link, parse_metadata
from steno_ingest.recordings.view import Door, RecordingView
from steno_ingest.rest.forms import Form, Part

MAX_METADATA_BYTES = 1 << 20

REQUEST_BODY: dict[str, Any] = {
    "required": True,
    "content": {
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "required": ["file"],
                "additionalProperties": False,
                "properties": {
                    "file": {"type": "string", "format": "binary", "minLength": 1, "description": "The audio."},
                    "metadata": {"$ref": "#/components/schemas/Metadata"},
                },
            },
            "encoding": {"metadata": {"contentType": "application/json"}},
        },
        "application/json": {"schema": {"$ref": "#/components/schemas/Link"}},
    },
}


async def submit(request: Request, intake: Intake, keys: ApiKeys, caller: Caller, key: ClientKey | None) -> RecordingView:
    """Accepts the recording of a request, if its API key is still valid when all of it has arrived.

    Raises:
        ApiProblem, Refused, Retryable: it was not accepted, and nothing of it is stored.
    """
    content_type = request.headers.get("content-type", "")
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type == "application/json":
        link = parse_link(await _whole(request.stream(), "body"))
        return await intake.accept_link(link, door=Door.REST, caller=caller, key=key)
    if media_type == "multipart/form-data":
        return await _submit_form(Form(content_type, request.stream()), intake, keys, caller, key)
    raise ApiProblem(
        415,
        "content_type",
        f"the content type is {media_type or 'missing'}; upload a file as multipart/form-data (part `file`, and part "
        "`metadata` as JSON), or send application/json with a `url`",
    )


async def _submit_form(form: Form, intake: Intake, keys: ApiKeys, caller: Caller, key: ClientKey | None) -> RecordingView:
    upload: Upload | None = None
    metadata: Metadata | None = None
    file_name = ""
    try:
        async for part in form.parts():
            if part.name == "file" and upload is None:
                file_name = part.file_name
                upload = await intake.upload(part.pieces, door=Door.REST, file_name=file_name)
            elif part.name == "metadata" and metadata is None:
                metadata = parse_metadata(await _whole(part.pieces, "metadata"))
            else:
                raise _unexpected(part)
        if upload is None:
            raise EmptyAudio(
                "the part `file` is missing in the body; it must contain the audio",
                faults=[Fault(where="body.file", problem="is missing")],
            )
        if not keys.holds(caller):
            raise ApiProblem(401, "api_key", KEY_GONE, headers={"www-authenticate": 'Bearer realm="steno"'})
    except BaseException:
        if upload is not None:
            await intake.discard(upload)
        raise
    return await intake.accept_upload(
        upload, metadata or Metadata(), file_name=file_name, door=Door.REST, caller=caller, key=key
    )


async def _whole(pieces: AsyncIterator[bytes], where: str) -> bytes:
    content = bytearray()
    async for piece in pieces:
        content += piece
        if len(content) > MAX_METADATA_BYTES:
            raise TooLarge(f"the {where} is larger than {MAX_METADATA_BYTES} bytes; send the audio in the part `file`")
    return bytes(content)


def _unexpected(part: Part) -> InvalidMetadata:
    name = part.name[:64]
    problem = "occurs twice" if name in ("file", "metadata") else "is not known; the parts are `file` and `metadata`"
    return InvalidMetadata(f"the part {name!r} {problem}", faults=[Fault(where=f"body.{name}", problem=problem)])
