"""Reads multipart/form-data as a stream of parts, without holding a part in memory (RFC 7578).

FastAPI's own `UploadFile` would write the whole file to a local disk before the route could read the first byte.
"""

from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from steno.http.problems import ApiProblem

_MOST_PARTS = 16


@dataclass(kw_only=True)
class Part:
    """One part of a form. Its content is read from `pieces`, which must be read to the end."""

    name: str
    file_name: str
    pieces: AsyncIterator[bytes]


@dataclass(kw_only=True)
class _Header:
    name: bytearray = field(default_factory=bytearray)
    value: bytearray = field(default_factory=bytearray)


class _End:
    """The end of a part."""


class Form:
    """The body of a request, as parts in the order of the body."""

    def __init__(self, content_type: str, body: AsyncIterator[bytes]) -> None:
        """Raises `ApiProblem` (400) if the content type names no boundary."""
        _, options = parse_options_header(content_type)
        boundary = options.get(b"boundary", b"")
        if not boundary:
            raise _unreadable("the content type names no boundary; let your HTTP client make the multipart body and its header")
        self._body = body
        self._events: deque[list[_Header] | bytes | _End] = deque()
        self._headers: list[_Header] = []
        self._complete = False
        try:
            self._parser = MultipartParser(
                boundary,
                {
                    "on_part_begin": self._headers_begin,
                    "on_header_begin": lambda: self._headers.append(_Header()),
                    "on_header_field": lambda data, start, end: self._headers[-1].name.extend(data[start:end]),
                    "on_header_value": lambda data, start, end: self._headers[-1].value.extend(data[start:end]),
                    "on_headers_finished": lambda: self._events.append(self._headers),
                    "on_part_data": lambda data, start, end: self._events.append(data[start:end]),
                    "on_part_end": lambda: self._events.append(_End()),
                    "on_end": self._end,
                },
            )
        except FormParserError as error:
            raise _unreadable(str(error)) from error

    async def parts(self) -> AsyncIterator[Part]:
        """Gives the parts one by one; the pieces of each must be read before the next part.

        Raises:
            ApiProblem: 400, the body is not a multipart body, or is incomplete.
        """
        count = 0
        while (event := await self._next()) is not None:
            if not isinstance(event, list):
                raise AssertionError("the pieces of the previous part were not read to the end")
            count += 1
            if count > _MOST_PARTS:
                raise _unreadable(f"the body has more than {_MOST_PARTS} parts")
            yield self._part(event)

    def _part(self, headers: list[_Header]) -> Part:
        named = {bytes(header.name).lower(): bytes(header.value) for header in headers}
        _, options = parse_options_header(named.get(b"content-disposition", b""))
        return Part(
            name=options.get(b"name", b"").decode("utf-8", "replace"),
            file_name=options.get(b"filename", b"").decode("utf-8", "replace"),
            pieces=self._pieces(),
        )

    async def _pieces(self) -> AsyncIterator[bytes]:
        while not isinstance(event := await self._next(), _End):
            if isinstance(event, bytes):
                yield event

    async def _next(self) -> list[_Header] | bytes | _End | None:
        """Returns the next event; None after the last part."""
        while not self._events:
            try:
                data = await anext(self._body)
                self._parser.write(data)
            except StopAsyncIteration:
                if self._complete:
                    return None
                raise _unreadable("the multipart body is incomplete: its last boundary is missing; send it again") from None
            except FormParserError as error:
                raise _unreadable(f"the body is not multipart/form-data: {error}") from error
        return self._events.popleft()

    def _headers_begin(self) -> None:
        self._headers = []

    def _end(self) -> None:
        self._complete = True


def _unreadable(detail: str) -> ApiProblem:
    return ApiProblem(400, "multipart", detail)
