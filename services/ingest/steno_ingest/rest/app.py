"""Builds the REST application from its routes, with API keys, problems, traces and OpenAPI."""

from dataclasses import dataclass, field
from pathlib import Path

import structlog
from fastapi import FastAPI
from opentelemetry.trace import SpanKind
from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from steno.http.auth import ApiKeys
from steno.http.gate import Gate, Streamed
from steno.http.rest import RestApplication
from steno.storage import links
from steno.storage.objects import ObjectStore
from steno.telemetry import traces
from steno_ingest.calls.hosting.control import CallControl, HostedCalls
from steno_ingest.calls.ledger.call_ledger import CallLedger
from steno_ingest.calls.ledger.queries import CallQueries
from steno_ingest.calls.ledger.transcripts import CallTranscripts
from steno_ingest.recordings.intake import Intake
from steno_ingest.recordings.ledger import RecordingLedger
from steno_ingest.recordings.metadata import Link, Metadata
from steno_ingest.recordings.transcripts import TranscriptReader
from steno_ingest.rest import calls as call_routes
from steno_ingest.rest import recordings
from steno_ingest.rest import speech_tokens as speech_token_routes
from steno_ingest.rest import webhooks as webhook_routes
from steno_ingest.rest.problems import problem_of
from steno_ingest.rest.rates import Rates
from steno_ingest.rest.signed import signed_route
from steno_ingest.rest.submissions import MAX_METADATA_BYTES
from steno_ingest.speech_tokens import SpeechTokens
from steno_ingest.webhooks import Webhooks

_DESCRIPTION = """\
Recordings and live calls go in, transcripts come out. Send an API key with every request, as `Authorization: Bearer KEY` or
`X-Api-Key: KEY`. Every error is an `application/problem+json` that says what was wrong, where, and what to do.
"""

_FORM_BYTES = 1 << 20
"""The size allowed in a form besides the file and the metadata, for boundaries and headers of dependencies."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Dependencies:
    """The objects that the routes use."""

    keys: ApiKeys
    intake: Intake
    ledger: RecordingLedger
    reader: TranscriptReader
    webhooks: Webhooks
    calls: CallLedger
    hosted: HostedCalls
    objects: ObjectStore
    engine: AsyncEngine
    rates: Rates = field(default_factory=Rates)
    #: Signs links to recordings of a local store; without it none is answered.
    links_secret_file: Path | None = None


def make_app(dependencies: Dependencies) -> FastAPI:
    """Builds the application; the chassis adds health and metrics."""
    app = RestApplication(
        problem_of=problem_of,
        # The bodies of submissions, which the route reads itself and therefore does not declare.
        documented={"Metadata": Metadata, "Link": Link},
        title="Steno",
        version="1",
        description=_DESCRIPTION,
        separate_input_output_schemas=False,
    )
    app.add_middleware(TraceMiddleware)
    upload = Streamed(
        method="POST", path="/v1/recordings", max_bytes=dependencies.intake.max_bytes + MAX_METADATA_BYTES + _FORM_BYTES
    )
    app.add_middleware(
        Gate,
        keys=dependencies.keys,
        wrong_keys=dependencies.rates.wrong_keys,
        streamed=[upload],
        limited=dependencies.rates.limited,
        at_once=dependencies.rates.at_once,
        open_folders=(links.FOLDER,),
    )
    app.include_router(
        recordings.routes(dependencies.keys, dependencies.intake, dependencies.ledger, dependencies.reader, dependencies.engine)
    )
    queries = CallQueries(dependencies.engine)
    transcripts = CallTranscripts(queries, dependencies.objects)
    app.include_router(call_routes.routes(queries, transcripts, CallControl(dependencies.calls, dependencies.hosted)))
    app.include_router(webhook_routes.routes(dependencies.webhooks))
    app.include_router(speech_token_routes.routes(SpeechTokens(dependencies.keys)))
    app.router.routes.append(signed_route(dependencies.objects, dependencies.links_secret_file))
    return app


class TraceMiddleware:
    """ASGI middleware that continues the trace of a request, or starts one."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not scope["path"].startswith("/v1/"):
            await self._app(scope, receive, send)
            return
        structlog.contextvars.clear_contextvars()
        with traces.continue_trace(Headers(scope=scope), scope["method"], kind=SpanKind.SERVER) as span:
            await self._app(scope, receive, send)
            route = getattr(scope.get("route"), "path", None)
            if route is not None:
                span.update_name(f"{scope['method']} {route}")
