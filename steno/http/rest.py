"""REST with FastAPI, for services that people and other programs ask: documents, problems, and the caller of a request."""

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
"""The problem that an error of a service is to its clients; None where the error is a fault of the service."""

# They document the two ways to send a key (RFC 6750); the gate reads it (`steno.http.gate`).
_BEARER = HTTPBearer(auto_error=False, scheme_name="bearer", description="The API key as a bearer token.")
_HEADER = APIKeyHeader(name="X-Api-Key", auto_error=False, scheme_name="api_key", description="The API key.")


async def _caller(
    request: Request, _bearer: Annotated[object, Depends(_BEARER)], _header: Annotated[object, Depends(_HEADER)]
) -> Caller:
    caller: Caller = request.state.caller
    return caller


RequestCaller = Annotated[Caller, Depends(_caller)]
"""A parameter of a route: the caller whose key the gate has let in. An application without a gate lets nobody in."""


class RestApplication(FastAPI):
    """FastAPI with errors as problems, a page to try it under `/docs` that needs no internet, and without FastAPI's own spans.

    FastAPI's page loads Swagger UI from a content delivery network. Its spans stand beside ours instead of around them, and
    there is one for each probe of health and each scrape of metrics.
    """

    def __init__(
        self,
        *,
        problem_of: ProblemOf = lambda _error: None,
        documented: Mapping[str, type[BaseModel]] = MappingProxyType({}),
        **options: Any,
    ) -> None:
        """`documented` are bodies that no route declares, by the names of their schemas in the OpenAPI document."""
        # Problems are answered past FastAPI.
        self._documented: dict[str, type[BaseModel]] = {"Problem": ProblemDocument, **documented}
        super().__init__(docs_url=None, redoc_url=None, telemetry={"tracing": False}, **options)
        self.mount(_ASSETS, StaticFiles(packages=[("fastapi_offline", "static")]))
        self.add_route("/docs", self._page, include_in_schema=False)
        _add_handlers(self, problem_of)

    def openapi(self) -> dict[str, Any]:
        """The OpenAPI document, with the schemas that no route declares."""
        if self.openapi_schema is None:
            schemas = super().openapi().setdefault("components", {}).setdefault("schemas", {})
            for name, model in self._documented.items():
                schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
                schemas |= schema.pop("$defs", {}) | {name: schema}
        return self.openapi_schema or {}

    async def _page(self, request: Request) -> HTMLResponse:
        # Behind a proxy that strips a prefix, the browser has to ask with it.
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
        f"a part of the service is away or full ({error.error_class}), so the request was not accepted; send it again, "
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
        404: f"there is nothing at {request.url.path}; /docs lists what there is",
        405: f"{request.method} is not to be had at {request.url.path}; /docs lists what is",
    }.get(status, str(error.detail))
    headers = {"Allow": ", ".join(sorted(_methods(request)))} if status == 405 else error.headers
    return _response(Problem(status=status, kind=f"http_{status}", detail=detail, headers=encoded(headers or {})))


def _methods(request: Request) -> set[str]:
    """All methods of a path (RFC 9110 §15.5.6); the router itself names those of one route only."""
    return {
        method
        for method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
        if any(route.matches({**request.scope, "method": method})[0] is Match.FULL for route in request.app.routes)
    }


async def _gone(_request: Request, _error: ClientDisconnect) -> Response:
    # Nobody reads it; but a client that goes away is no error of the server.
    return _response(Problem(status=400, kind="broken_off", detail="the request broke off; send it again"))


async def _unexpected(_request: Request, _error: Exception) -> Response:
    # Starlette raises the error again after this answer, and the server logs it.
    detail = "the server made a mistake; its log says which. Tell its operator"
    return _response(Problem(status=500, kind="unexpected", detail=detail))
