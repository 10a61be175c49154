"""Every route of an application, with somebody else's ids in its path."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import httpx
from fastapi import FastAPI

_METHODS = ("get", "post", "put", "patch", "delete")
_LAST = ("/cancel", "/end")


@dataclass(frozen=True, slots=True)
class Operation:
    """A method of a route, as the OpenAPI document has it."""

    method: str
    path: str

    @property
    def has_id(self) -> bool:
        """Whether it is about one thing."""
        return "{" in self.path

    async def ask(self, client: httpx.AsyncClient, ids: Mapping[str, str], bodies: Mapping[str, Any]) -> httpx.Response:
        """Asks for it. A parameter or body that the test does not know is a `KeyError`: a new route is to be added there."""
        path = self.path.format_map({name: quote(value, safe="") for name, value in ids.items()})
        body = {"json": bodies[f"{self.method} {self.path}"]} if self.method in ("post", "put", "patch") else {}
        return await client.request(self.method.upper(), path, **body)


def operations(app: FastAPI) -> list[Operation]:
    """All of them, what ends things last."""

    def found() -> Iterator[Operation]:
        for path, methods in app.openapi()["paths"].items():
            yield from (Operation(method, path) for method in _METHODS if method in methods)

    return sorted(found(), key=_rank)


def undocumented(app: FastAPI) -> set[str]:
    """The paths below `/v1` that the document does not have."""
    documented = {operation.path for operation in operations(app)}
    paths = {getattr(route, "path", "") for route in app.routes}
    plain = {path.replace(":id}", "}").replace(":last_id}", "}") for path in paths}
    return {path for path in plain if path.startswith("/v1")} - documented


def _rank(operation: Operation) -> int:
    return int(operation.method == "delete" or operation.path.endswith(_LAST))
