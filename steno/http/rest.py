"""The base of the REST applications, on FastAPI: the API documents, errors as problems, and the caller of a request."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Annotated, Any

import structlog
from fastapi import Depends, FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.security import APIKeyHeader, HTTPBearer
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Match
from starlette.staticfiles import StaticFiles

from steno.errors import Retryable, StenoError
from steno.http.problems import MEDIA_TYPE, RETRY_LATER, ApiProblem, Problem, ProblemDocument, ProblemFault, encoded
from steno.tenants import Caller
from steno.validation import explained

log = structlog.get_logger("steno.http.rest")

_ASSETS = "/docs/assets"

ProblemOf = Callable[[StenoError], Problem | None]
"""Returns the problem that a client gets for an error of a service; None if the error is a fault of the service."""

# These document the two ways to send a key (RFC 6750). The gate checks it (`steno.http.gate`).
_BEARER = HTTPBearer(auto_error=False, scheme_name="bearer", description="The API key as a bearer token.")
_HEADER = APIKeyHeader(name="X-Api-Key", auto_error=False, scheme_name="api_key", description="The API key.")


async def _caller(
    request: Request, _bearer: Annotated[object, Depends(_BEARER)], _header: Annotated[object, Depends(_HEADER)]
) -> Caller:
    caller: Caller = request.state.caller
    return caller


RequestCaller = Annotated[Caller, Depends(_caller)]
"""A parameter of a route: the caller that the gate has authenticated. Without a gate every request fails."""


class RestApplication(FastAPI):
    """FastAPI with errors as problems, a `/docs` page that works without internet, and no spans of its own.

    FastAPI's page loads Swagger UI from a content delivery network. Its spans are not the parents of ours, and it makes one for
    each health probe and each scrape.
    """

    def __init__(
        self,
        *,
        problem_of: ProblemOf = lambda _error: None,
        documented: Mapping[str, type[BaseModel]] = MappingProxyType({}),
        **options: Any,
    ) -> None:
        """`documented`: further schemas for the OpenAPI document, by name, which no route declares."""
        # Problems are sent without a response model of FastAPI.
        self._documented: dict[str, type[BaseModel]] = {"Problem": ProblemDocument, **documented}
        super().__init__(docs_url=None, redoc_url=None, telemetry={"tracing": False}, **options)
        self.mount(_ASSETS, StaticFiles(packages=[("fastapi_offline", "static")]))
        self.add_route("/docs", self._page, include_in_schema=False)
        _add_handlers(self, problem_of)

    def openapi(self) -> dict[str, Any]:
        """The OpenAPI document, with the schemas of `documented`."""
        if self.openapi_schema is None:
            schemas = super().openapi().setdefault("components", {}).setdefault("schemas", {})
            for name, model in self._documented.items():
                schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
                schemas |= schema.pop("$defs", {}) | {name: schema}
        return self.openapi_schema or {}

    async def _page(self, request: Request) -> HTMLResponse:
        # If a proxy strips a prefix, the browser must request the files with it.
        root = request.scope.get("root_path", "")
        assets = f"{root}{_ASSETS}"
        return get_swagger_ui_html(
            openapi_url=f"{root}{self.openapi_url}",
            title=self.title,
            swagger_js_url=f"{assets}/swagger-ui-bundle.js",
            swagger_css_url=f"{assets}/swagger-ui.css",
            swagger_favicon_url=f"{assets}/favicon.png",
        )


def _add_handlers(app: FastAPI, problem_of: ProblemOf) -> None:
    async def steno_error(request: Request, error: StenoError) -> Response:
        problem = _not_now(request, error) if isinstance(error, Retryable) else problem_of(error)
        if problem is None:
            raise error
        return _response(problem)

    handlers: dict[type[Exception], Any] = {
        ApiProblem: _api_problem,
        StenoError: steno_error,
        RequestValidationError: _invalid,
        HTTPException: _http,
        ClientDisconnect: _gone,
        Exception: _unexpected,
    }
    for kind, handler in handlers.items():
        app.add_exception_handler(kind, handler)


def _not_now(request: Request, error: Retryable) -> Problem:
    log.warning("request.refused", path=request.url.path, error=error.error_class, reason=str(error))
    detail = (
        f"a part of the service is unreachable or full ({error.error_class}), so the request was not accepted; send it again, "
        "with the same Idempotency-Key if it has one"
    )
    return Problem(status=503, kind=error.error_class, detail=detail, headers=RETRY_LATER)


def _response(problem: Problem) -> Response:
    response = Response(problem.body(), status_code=problem.status, media_type=MEDIA_TYPE)
    response.raw_headers.extend(problem.headers)
    return response


async def _api_problem(_request: Request, error: ApiProblem) -> Response:
    return _response(error.problem)


async def _invalid(_request: Request, error: RequestValidationError) -> Response:
    faults = [
        ProblemFault(where=".".join(map(str, entry["loc"])), problem=explained(entry["type"], entry["msg"]))
        for entry in error.errors()[:50]
    ]
    detail = "; ".join(f"{fault.where}: {fault.problem}" for fault in faults[:5])
    return _response(Problem(status=422, kind="invalid_request", detail=detail, faults=faults))


async def _http(request: Request, error: HTTPException) -> Response:
    status = error.status_code
    detail = {
        400: "the body cannot be read; send JSON in UTF-8",
        404: f"there is nothing at {request.url.path}; see /docs for all paths",
        405: f"{request.method} is not allowed at {request.url.path}; see /docs for the allowed methods",
    }.get(status, str(error.detail))
    headers = {"Allow": ", ".join(sorted(_methods(request)))} if status == 405 else error.headers
    return _response(Problem(status=status, kind=f"http_{status}", detail=detail, headers=encoded(headers or {})))


def _methods(request: Request) -> set[str]:
    """All methods of a path (RFC 9110 §15.5.6); the router itself returns those of one route only."""
    return {
        method
        for method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
        if any(route.matches({**request.scope, "method": method})[0] is Match.FULL for route in request.app.routes)
    }


async def _gone(_request: Request, _error: ClientDisconnect) -> Response:
    # The client will not read it, but a client that disconnects is not an error of the server.
    return _response(Problem(status=400, kind="broken_off", detail="the request was interrupted; send it again"))


async def _unexpected(_request: Request, _error: Exception) -> Response:
    # Starlette raises the error again after this response, and the server logs it.
    detail = "the server failed unexpectedly; tell its operator, who finds the error in its log"
    return _response(Problem(status=500, kind="unexpected", detail=detail))
