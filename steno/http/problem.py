"""Problems that are answered before an application sees the request, as its own are (RFC 9457)."""

import json
from collections.abc import Iterable
from dataclasses import dataclass

from starlette.types import Send

MEDIA_TYPE = "application/problem+json"

_TITLES = {
    400: "The request cannot be read",
    401: "An API key is needed",
    408: "The request came too slowly",
    413: "Too large",
    414: "The URL is too long",
    429: "Too many requests",
    431: "The headers are too large",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Problem:
    """What was wrong with a request, and what to do."""

    status: int
    #: For programs: the end of `urn:steno:problem:…`.
    kind: str
    detail: str
    headers: tuple[tuple[bytes, bytes], ...] = ()

    def body(self) -> bytes:
        """The document."""
        document = {
            "type": f"urn:steno:problem:{self.kind}",
            "title": _TITLES[self.status],
            "status": self.status,
            "detail": self.detail,
        }
        return json.dumps(document).encode()

    def response(self, body: bytes, *, close: bool) -> list[tuple[bytes, bytes]]:
        """The headers of the answer."""
        headers: Iterable[tuple[bytes, bytes]] = (
            (b"content-type", MEDIA_TYPE.encode()),
            (b"content-length", str(len(body)).encode()),
            *self.headers,
            *(((b"connection", b"close"),) if close else ()),
        )
        return list(headers)


async def answer(problem: Problem, send: Send, *, close: bool) -> None:
    """Answers a request with a problem (ASGI).

    Args:
        close: Nothing more is read from the connection: there is a body that nobody wants.
    """
    body = problem.body()
    await send({"type": "http.response.start", "status": problem.status, "headers": problem.response(body, close=close)})
    await send({"type": "http.response.body", "body": body})
