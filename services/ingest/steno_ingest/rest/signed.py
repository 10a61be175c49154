"""Answers signed links to recordings of a local store (`steno.storage.links`), for an engine outside that fetches them itself.

A link opens one recording until it expires. Nothing but recordings can be read, whatever is signed; a link that is not valid is
answered 403 whether or not there is such a recording.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from io import BufferedReader
from pathlib import Path

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from steno.http.problems import MEDIA_TYPE, Problem
from steno.secret_file import SecretFile
from steno.storage import links
from steno.storage.objects import ForeignObject, ObjectMissing, ObjectStore

RECORDINGS = "recordings/"
"""The prefix of what can be read."""

_FORBIDDEN = Problem(status=403, kind="link", detail="the link is not valid, or has expired")
_MISSING = Problem(status=404, kind="link", detail="the recording is no longer there")


def signed_route(
    objects: ObjectStore, secret_file: Path | None, *, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
) -> Route:
    """Makes the route of signed links. Without secrets every link is refused.

    Raises:
        steno.secret_file.SecretFileUnreadable: the file of the secrets is there but cannot be read.
    """
    secrets = SecretFile(secret_file, links.parse_secrets, what="file of link secrets")

    async def read(request: Request) -> Response:
        key, query = request.path_params["key"], request.query_params
        valid = links.is_valid(
            key,
            expires=query.get("expires", ""),
            signature=query.get("signature", ""),
            secrets=secrets.current(),
            now=clock(),
        )
        url = f"{objects.url}/{key}"
        if not (valid and key.startswith(RECORDINGS) and objects.owns(url)):
            return _refused(_FORBIDDEN)
        try:
            file = await run_in_threadpool(objects.open_local, url)
        except (ObjectMissing, ForeignObject):
            return _refused(_MISSING)
        if file is None:  # a cloud store signs its links itself
            return _refused(_MISSING)
        return _OpenFile(file)

    return Route(f"{links.FOLDER}{{key:path}}", read, methods=["GET"], include_in_schema=False)


class _OpenFile(FileResponse):
    """The file that was opened, whatever its name leads to by then; with ranges (RFC 9110 §14). Closes it."""

    def __init__(self, file: BufferedReader) -> None:
        super().__init__(
            f"/dev/fd/{file.fileno()}",
            media_type="application/octet-stream",
            headers={"Cache-Control": "private, no-store"},
        )
        self._file = file

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._file:
            await super().__call__(scope, receive, send)


def _refused(problem: Problem) -> Response:
    return Response(problem.body(), status_code=problem.status, media_type=MEDIA_TYPE)
