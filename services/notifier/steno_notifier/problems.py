"""What is wrong with a request, told as problem+json (RFC 9457), whatever it is."""

from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException as StarletteHTTPException

from steno.errors import Retryable
from steno.http.rest import RestApplication
from steno.storage.database import DatabaseUnavailable


class Problem(BaseModel):
    """What is wrong with a request (RFC 9457)."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str


PROBLEM = {"content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}}
RESPONSES: dict[int | str, dict[str, Any]] = {
    401: PROBLEM | {"description": "No valid API key."},
    422: PROBLEM | {"description": "A parameter is not valid."},
    503: PROBLEM | {"description": "The database or Kafka is away."},
}
MISSING: dict[int | str, dict[str, Any]] = {404: PROBLEM | {"description": "There is none such."}}


class Documented(RestApplication):
    """A REST application, with the schema of the problems, which are answered past it."""

    def openapi(self) -> dict[str, Any]:
        if self.openapi_schema is None:
            super().openapi()["components"]["schemas"]["Problem"] = Problem.model_json_schema()
        return self.openapi_schema or {}


def add_answers(app: FastAPI) -> None:
    """Has every error answered as a problem."""
    app.add_exception_handler(StarletteHTTPException, _answer_http_error)
    app.add_exception_handler(RequestValidationError, _answer_invalid)
    app.add_exception_handler(DatabaseUnavailable, _answer_unavailable)
    app.add_exception_handler(Retryable, _answer_later)
    app.add_exception_handler(Exception, _answer_unexpected)


def missing(what: str, identifier: str) -> HTTPException:
    """That there is none such."""
    return HTTPException(404, f"there is no {what} {identifier}")


async def _answer_http_error(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, StarletteHTTPException)
    return _problem(error.status_code, str(error.detail), headers=dict(error.headers or {}))


async def _answer_invalid(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    faults = (f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors())
    return _problem(422, "; ".join(faults))


async def _answer_unavailable(_request: Request, _error: Exception) -> JSONResponse:
    return _problem(503, "the database is away; try again in a moment", headers={"Retry-After": "1"})


async def _answer_later(_request: Request, _error: Exception) -> JSONResponse:
    return _problem(503, "Kafka is away; try again in a moment", headers={"Retry-After": "1"})


async def _answer_unexpected(_request: Request, _error: Exception) -> JSONResponse:
    return _problem(500, "a fault in the notifier; its log says more")


def _problem(status: int, detail: str, *, headers: dict[str, str] | None = None) -> JSONResponse:
    problem = Problem(title=HTTPStatus(status).phrase, status=status, detail=detail)
    return JSONResponse(problem.model_dump(), status_code=status, headers=headers, media_type="application/problem+json")
