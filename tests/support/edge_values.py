"""Puts values at and beyond the limits of fields into every parameter and body of a REST API, by its OpenAPI document."""

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, quote_from_bytes

import httpx
from fastapi import FastAPI

NUMBERS = (
    *("0", "-1", "1", "2147483648", "9223372036854775807", "9223372036854775808", "-9223372036854775809", "1" + "0" * 400),
    *("1.5", "1e400", "-0", "NaN", "Infinity", "-Infinity", "0x10", "1_000", "٣", "true"),
)
MOMENTS = (
    *("9999-12-31T23:59:59-23:59", "9999-12-31T23:59:59.999999Z", "0001-01-01T00:00:00+23:59", "0001-01-01T00:00:00Z"),
    *("0000-01-01T00:00:00Z", "10000-01-01T00:00:00Z", "2026-02-30T00:00:00Z", "2026-01-01T25:00:00Z", "2026-01-01T00:00:60Z"),
    *(
        "2026-01-01T00:00:00",
        "2026-01-01T00:00:00+99:99",
        "2026-01-01T00:00:00.1234567890123Z",
        "1e400",
        "99999999999999999999",
    ),
    *("2026-06-01T00:00:00Z", "1969-12-31T23:59:59Z"),
)


def _cursor(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


CURSORS = (
    *(
        _cursor([at, "a"])
        for at in (0, -1, 10**15, 253402300799999999, 253402300800000000, -62135596800000000, 10**30, 1.5, True)
    ),
    *(_cursor([0, last]) for last in ("\ud800", "a\0b", "", "x" * 500, "\N{PILE OF POO}", 1, None)),
    *map(_cursor, ([], {}, [0], [0, "a", 1], "a", None, [[[]], "a"])),
    *("", "a", "====", "_-_-", "[" * 500, "eyJ", "\N{SNOWMAN}"),
)
TEXTS = (
    "",
    " ",
    "\0",
    "\x7f",
    "..",
    "../..",
    "%",
    "%2F",
    "a/b",
    "\N{PILE OF POO}",
    "x" * 300,
    "x" * 5000,
    "\u202e",
    "\ufffe",
    "'",
    "*",
)
_BYTES = (b"\xed\xa0\x80", b"\xff", b"\xc3", b"a\x00b")
#: As they stand in JSON.
JSON = (
    *("null", "true", "-1", "0", "1.5", "1e400", "-1e400", "NaN", "Infinity", "9223372036854775808", "1" + "0" * 400),
    *('""', '"\\ud800"', '"\\u0000"', '"' + "x" * 5000 + '"', '"1"', "[]", "{}", "[null]", '{"a": 1}', "[" * 40 + "]" * 40),
    *(f'"{moment}"' for moment in MOMENTS[:6]),
)


@dataclass
class Walk:
    """Sends every edge value in every field of an API, and finds server errors."""

    app: FastAPI
    client: httpx.AsyncClient
    #: Values of path parameters while another field is tested.
    known: dict[str, str] = field(default_factory=dict)
    #: The tested query parameters; if empty, all, and also bodies and paths.
    only: tuple[str, ...] = ()
    #: Paths that are not tested, since their responses never end.
    endless: tuple[str, ...] = ()
    requests: int = 0

    async def faults(self) -> list[str]:
        """Returns the requests with a response of 500 or above."""
        found = []
        for method, url, body in self._all():
            self.requests += 1
            try:
                answer = await self.client.request(
                    method, url, content=body, headers={"content-type": "application/json"} if body is not None else None
                )
            except httpx.InvalidURL:
                continue
            if answer.status_code >= 500:
                found.append(f"{method} {url[:200]} {(body or b'')[:200]!r}: {answer.status_code} {answer.text[:200]}")
        return found

    def _all(self) -> Iterator[tuple[str, str, bytes | None]]:
        document = self.app.openapi()
        for path, operations in document["paths"].items():
            if path in self.endless:
                continue
            for method, operation in operations.items():
                yield from self._of(document, path, method.upper(), operation)

    def _of(
        self, document: dict[str, Any], path: str, method: str, operation: dict[str, Any]
    ) -> Iterator[tuple[str, str, Any]]:
        plain = path
        for parameter in operation.get("parameters", ()):
            if parameter["in"] == "path":
                plain = plain.replace(_slot(parameter["name"]), quote(self.known.get(parameter["name"], "nobody"), safe=""))
        body = None
        schema = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
        for parameter in operation.get("parameters", ()):
            name = parameter["name"]
            if self.only and name not in self.only:
                continue
            if parameter["in"] == "query":
                yield from ((method, f"{plain}?{name}={value}", body) for value in _encoded())
            elif parameter["in"] == "path" and method != "DELETE":
                yield from ((method, path.replace(_slot(name), value), body) for value in _encoded() if value)
        if schema is not None and not self.only:
            resolved = _resolved(document, schema)
            for name in _fields(document, resolved):
                for value in JSON:
                    yield method, plain, _body(resolved, name, value).encode()
            yield from ((method, plain, value.encode()) for value in JSON)
            yield method, plain, b"\xff\xfe"
            yield method, plain, b""


def _slot(name: str) -> str:
    return "{" + name + "}"


def _encoded() -> Iterator[str]:
    for value in (*NUMBERS, *MOMENTS, *CURSORS, *TEXTS):
        yield quote(value, safe="")
    for raw in _BYTES:
        yield quote_from_bytes(raw, safe="")


def _resolved(document: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    """Follows references and optional types to a schema."""
    while True:
        if "$ref" in schema:
            schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
        elif "anyOf" in schema:
            schema = next(choice for choice in schema["anyOf"] if choice.get("type") != "null")
        else:
            return schema


def _fields(document: dict[str, Any], schema: dict[str, Any], prefix: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Gives the paths of all fields of a body; `[]` is the entry of a list, `*` that of a map."""
    schema = _resolved(document, schema)
    if prefix:
        yield prefix
    for name, part in schema.get("properties", {}).items():
        yield from _fields(document, part, (*prefix, name))
    if isinstance(schema.get("items"), dict):
        yield from _fields(document, schema["items"], (*prefix, "[]"))
    if schema.get("type") == "object" and "properties" not in schema:
        yield (*prefix, "*")


def _body(schema: dict[str, Any], way: tuple[str, ...], value: str) -> str:
    text = value
    for name in reversed(way):
        text = f"[{text}]" if name == "[]" else json.dumps({"a" if name == "*" else name: 0}).replace(": 0}", f": {text}}}")
    others = {name: _SAMPLES[name] for name in schema.get("required", ()) if name in _SAMPLES and name != way[0]}
    return text if not others else text[:-1] + ", " + json.dumps(others)[1:]


_SAMPLES: dict[str, Any] = {
    "url": "https://receiver.example/a",
    "channels": [{"channel": 0, "role": "agent"}],
}
