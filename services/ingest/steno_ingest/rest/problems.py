"""Errors as `application/problem+json`: what was wrong, where, and what to do (RFC 9457)."""

from collections.abc import Mapping
from typing import Any, cast

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse, Response
from starlette.routing import Match

from steno.errors import Permanent, Retryable, StenoError
from steno_ingest import errors
from steno_ingest.errors import Fault, Refused
from steno_ingest.metadata import explained

log = structlog.get_logger("steno.ingest.rest")

MEDIA_TYPE = "application/problem+json"
_RETRY_SECONDS = 5

_STATUS: Mapping[type[StenoError], int] = {
    errors.InvalidMetadata: 422,
    errors.ForeignUrl: 403,
    errors.EmptyAudio: 422,
    errors.TooLarge: 413,
    errors.KeyReused: 409,
    errors.AlreadyEnded: 409,
    errors.CallIdInUse: 409,
    errors.CallAlreadyEnded: 409,
    errors.CallNotHere: 409,
    errors.NotThere: 404,
    errors.NotYet: 409,
    errors.NeverToBe: 410,
}

_TITLES = {
    400: "The request cannot be read",
    401: "An API key is needed",
    403: "Not ours to read",
    404: "There is no such thing",
    405: "That cannot be done here",
    409: "Not in this state",
    410: "It will not be there",
    413: "Too large",
    415: "The content type is not known",
    422: "The request is not valid",
    500: "An error of the server",
    503: "Not now",
}


class ProblemFault(BaseModel):
    """One thing that is wrong, and where."""

    where: str = Field(description="The part of the request, e.g. `metadata.channels.0.role` or `header.Idempotency-Key`.")
    problem: str = Field(description="What is wrong with it.")


class Problem(BaseModel):
    """What was wrong, where, and what to do (RFC 9457)."""

    model_config = ConfigDict(extra="forbid")

    type: str = Field(description="The kind of problem, for programs: `urn:steno:problem:…`.")
    title: str = Field(description="The kind of problem, for people.")
    status: int = Field(description="The HTTP status.", ge=400, le=599)
    detail: str = Field(description="What was wrong with this request, and what to do.")
    errors: list[ProblemFault] | None = Field(default=None, description="The single faults of a request that is not valid.")
    state: str | None = Field(default=None, description="The state of the recording or call, where that is the problem.")
    reason: str | None = Field(default=None, description="Why the recording or call failed.")


class ApiProblem(Exception):
    """A request cannot be answered as it stands, for a reason of HTTP."""

    def __init__(self, status: int, kind: str, detail: str, *, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status, self.kind, self.detail, self.headers = status, kind, detail, headers


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The OpenAPI of the problems that an operation may answer with."""
    schema = {"$ref": "#/components/schemas/Problem"}
    return {
        status: {"description": _TITLES[status], "content": {MEDIA_TYPE: {"schema": schema}}} for status in sorted(statuses)
    }


def install(app: FastAPI) -> None:
    """Has every error of the app answered as a problem."""
    handlers: dict[type[Exception], Any] = {
        ApiProblem: _api_problem,
        StenoError: _steno_error,
        RequestValidationError: _invalid,
        HTTPException: _http,
        ClientDisconnect: _gone,
        Exception: _unexpected,
    }
    for kind, handler in handlers.items():
        app.add_exception_handler(kind, handler)


def _answer(
    status: int,
    kind: str,
    detail: str,
    *,
    faults: list[Fault] | None = None,
    about: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    problem = Problem(
        type=f"urn:steno:problem:{kind}",
        title=_TITLES.get(status, "An error"),
        status=status,
        detail=detail,
        errors=[ProblemFault(where=fault.where, problem=fault.problem) for fault in faults] if faults else None,
        **cast(Any, about or {}),
    )
    return JSONResponse(
        problem.model_dump(exclude_none=True), status_code=status, headers=dict(headers or {}), media_type=MEDIA_TYPE
    )


async def _api_problem(_request: Request, error: ApiProblem) -> Response:
    return _answer(error.status, error.kind, error.detail, headers=error.headers)


async def _steno_error(request: Request, error: StenoError) -> Response:
    if isinstance(error, Retryable):
        log.warning("request.refused", path=request.url.path, error=error.error_class, reason=str(error))
        detail = (
            f"a part of the service is away or full ({error.error_class}), so the request was not accepted; send it again, "
            "with the same Idempotency-Key if it has one"
        )
        return _answer(503, error.error_class, detail, headers={"Retry-After": str(_RETRY_SECONDS)})
    if not isinstance(error, Permanent) or type(error) not in _STATUS:
        raise error
    headers = {"Retry-After": str(_RETRY_SECONDS)} if isinstance(error, errors.NotYet) else None
    refused = cast(Refused, error)
    return _answer(
        _STATUS[type(error)], error.error_class, str(error), faults=list(refused.faults), about=refused.about, headers=headers
    )


async def _invalid(_request: Request, error: RequestValidationError) -> Response:
    faults = [
        Fault(where=".".join(map(str, entry["loc"])), problem=explained(entry["type"], entry["msg"]))
        for entry in error.errors()[:50]
    ]
    return _answer(422, "invalid_request", "; ".join(f"{fault.where}: {fault.problem}" for fault in faults[:5]), faults=faults)


async def _http(request: Request, error: HTTPException) -> Response:
    detail = {
        400: "the body cannot be read; send JSON in UTF-8",
        404: f"there is nothing at {request.url.path}; /docs lists what there is",
        405: f"{request.method} is not to be had at {request.url.path}; /docs lists what is",
    }.get(error.status_code, str(error.detail))
    headers = {"Allow": ", ".join(sorted(_methods(request)))} if error.status_code == 405 else error.headers
    return _answer(error.status_code, f"http_{error.status_code}", detail, headers=headers)


def _methods(request: Request) -> set[str]:
    """All methods of a path (RFC 9110 §15.5.6); the router itself names those of one route only."""
    return {
        method
        for method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
        if any(route.matches({**request.scope, "method": method})[0] is Match.FULL for route in request.app.routes)
    }


async def _gone(_request: Request, _error: ClientDisconnect) -> Response:
    # Nobody reads it; but a client that goes away is no error of the server.
    return _answer(400, "broken_off", "the request broke off; send it again")


async def _unexpected(_request: Request, _error: Exception) -> Response:
    # Starlette raises the error again after this answer, and the server logs it.
    return _answer(500, "unexpected", "the server made a mistake; its log says which. Tell its operator")
