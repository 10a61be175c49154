"""Error responses as `application/problem+json` (RFC 9457): what was wrong with a request, where, and what to do."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from pydantic import BaseModel, ConfigDict, Field
from starlette.types import Send

MEDIA_TYPE = "application/problem+json"
RETRY_LATER = ((b"retry-after", b"5"),)
"""The headers that ask a client to repeat the request soon."""

_TITLES = {
    400: "The request cannot be read",
    401: "An API key is needed",
    403: "Access is not allowed",
    404: "Not found",
    405: "The method is not allowed",
    408: "The request came too slowly",
    409: "Not possible in this state",
    410: "It is not available any more",
    413: "Too large",
    414: "The URL is too long",
    415: "The content type is not supported",
    422: "The request is not valid",
    429: "Too many requests",
    431: "The headers are too large",
    500: "Internal server error",
    503: "Temporarily unavailable",
}


class ProblemFault(BaseModel):
    """One fault of a request, and where it is."""

    where: str = Field(description="The part of the request, e.g. `metadata.channels.0.role` or `header.Idempotency-Key`.")
    problem: str = Field(description="What is wrong with it.")


class ProblemDocument(BaseModel):
    """What was wrong with a request, where, and what to do (RFC 9457)."""

    model_config = ConfigDict(title="Problem", extra="forbid")

    type: str = Field(description="The kind of problem, for programs: `urn:steno:problem:…`.")
    title: str = Field(description="The kind of problem, for people.")
    status: int = Field(description="The HTTP status.", ge=400, le=599)
    detail: str = Field(description="What was wrong with this request, and what to do.")
    errors: list[ProblemFault] | None = Field(default=None, description="The individual faults of a request that is not valid.")
    state: str | None = Field(default=None, description="The state of the recording or call, if that is the problem.")
    reason: str | None = Field(default=None, description="Why the recording or call failed.")


@dataclass(frozen=True, kw_only=True, slots=True)
class Problem:
    """What was wrong with a request, and what to do."""

    status: int
    #: The kind of problem, for programs: the end of `urn:steno:problem:…`.
    kind: str
    detail: str
    headers: tuple[tuple[bytes, bytes], ...] = ()
    faults: Sequence[ProblemFault] = ()
    #: The fields `state` and `reason` of the document.
    about: Mapping[str, str] = field(default_factory=dict)

    def body(self) -> bytes:
        """The JSON document, as bytes."""
        document = ProblemDocument(
            type=f"urn:steno:problem:{self.kind}",
            title=_TITLES.get(self.status, "An error"),
            status=self.status,
            detail=self.detail,
            errors=list(self.faults) or None,
            **cast(Any, self.about),
        )
        return document.model_dump_json(exclude_none=True).encode()

    def response_headers(self, body: bytes, *, close: bool) -> list[tuple[bytes, bytes]]:
        """The headers of the response."""
        headers: Iterable[tuple[bytes, bytes]] = (
            (b"content-type", MEDIA_TYPE.encode()),
            (b"content-length", str(len(body)).encode()),
            *self.headers,
            *(((b"connection", b"close"),) if close else ()),
        )
        return list(headers)


class ApiProblem(Exception):
    """A route raises this to answer a request with a problem."""

    def __init__(self, status: int, kind: str, detail: str, *, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.problem = Problem(status=status, kind=kind, detail=detail, headers=encoded(headers or {}))


def encoded(headers: Mapping[str, str]) -> tuple[tuple[bytes, bytes], ...]:
    """Encodes headers as ASGI requires."""
    return tuple((name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers.items())


def not_there(detail: str) -> ApiProblem:
    """Makes the problem of a request for something that does not exist."""
    return ApiProblem(404, "not_there", detail)


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The OpenAPI responses for the problems with which an operation may answer."""
    schema = {"$ref": "#/components/schemas/Problem"}
    return {
        status: {"description": _TITLES[status], "content": {MEDIA_TYPE: {"schema": schema}}} for status in sorted(statuses)
    }


async def answer(problem: Problem, send: Send, *, close: bool) -> None:
    """Answers a request with a problem, by ASGI alone.

    Args:
        close: Whether to close the connection, because the body of the request was not read.
    """
    body = problem.body()
    headers = problem.response_headers(body, close=close)
    await send({"type": "http.response.start", "status": problem.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
