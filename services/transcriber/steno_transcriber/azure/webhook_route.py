"""The route that Azure posts its events to: `POST /azure/webhook`.

It takes no API key: each request is signed. An event is a hint, and never the truth: the job is asked for its state.
"""

from collections.abc import Callable
from pathlib import Path

import structlog
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from steno.http.auth import ApiKeys
from steno.http.gate import Gate
from steno.http.problems import MEDIA_TYPE, Problem
from steno.http.rates import Rate
from steno.secret_file import SecretFile
from steno.storage.links import parse_secrets
from steno_transcriber import metrics
from steno_transcriber.azure import webhook

log = structlog.get_logger("steno.transcriber.azure")

PATH = "/azure/webhook"

MOST_BYTES = 64 << 10
"""The size limit of an event, which has a link and an id."""

_WRONG_KEYS_PER_MINUTE = 60

_FORBIDDEN = Problem(status=403, kind="signature", detail="the signature is not valid")
_TOO_LARGE = Problem(status=413, kind="too_large", detail=f"the body is larger than {MOST_BYTES} bytes, which is the limit")
_UNREADABLE = Problem(status=400, kind="event", detail="the body is not that of an event")


def webhook_app(secret_file: Path | None, wake: Callable[[str], bool]) -> Starlette:
    """Makes the application with the route. Without secrets every request is refused.

    Args:
        wake: Asks for a job now, by its id; False where this process does not follow it.

    Raises:
        steno.secret_file.SecretFileUnreadable: the file of the secrets is there but cannot be read.
    """
    secrets = SecretFile(secret_file, parse_secrets, what="file of Azure webhook secrets")

    async def receive(request: Request) -> Response:
        token = request.query_params.get(webhook.TOKEN)
        body = await _body(request)
        if body is None:
            return _refused(_TOO_LARGE, "unreadable")
        payload = body if token is None else token.encode("utf-8", "surrogatepass")
        given = request.headers.get(webhook.SIGNATURE_HEADER, "")
        if not webhook.is_signed(payload, given, secrets.current_or_recent()):
            return _refused(_FORBIDDEN, "refused")
        if token is not None:
            metrics.AZURE_WEBHOOK_EVENTS.labels("challenge").inc()
            log.info("azure.webhook_challenged")
            return PlainTextResponse(payload, headers={"X-Content-Type-Options": "nosniff"})
        if request.headers.get(webhook.EVENT_HEADER) != webhook.COMPLETION:
            metrics.AZURE_WEBHOOK_EVENTS.labels("other").inc()
            return Response()
        try:
            followed = wake(webhook.job_of(body))
        except webhook.UnreadableEvent as error:
            log.warning("azure.webhook_unreadable", reason=str(error))
            return _refused(_UNREADABLE, "unreadable")
        metrics.AZURE_WEBHOOK_EVENTS.labels("followed" if followed else "not_followed").inc()
        return Response()

    return Starlette(
        routes=[Route(PATH, receive, methods=["POST"], include_in_schema=False)],
        middleware=[Middleware(Gate, keys=ApiKeys(None), wrong_keys=Rate(_WRONG_KEYS_PER_MINUTE), open_folders=(PATH,))],
    )


async def _body(request: Request) -> bytes | None:
    """The body; None where it is too large."""
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > MOST_BYTES:
            return None
    return bytes(body)


def _refused(problem: Problem, outcome: str) -> Response:
    metrics.AZURE_WEBHOOK_EVENTS.labels(outcome).inc()
    return Response(problem.body(), status_code=problem.status, media_type=MEDIA_TYPE)
