"""Requests every route of an application with another tenant's ids in its path."""

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
    """An operation of the OpenAPI document."""

    method: str
    path: str

    @property
    def has_id(self) -> bool:
        """Whether its path has an id."""
        return "{" in self.path

    async def ask(self, client: httpx.AsyncClient, ids: Mapping[str, str], bodies: Mapping[str, Any]) -> httpx.Response:
        """Sends the request. An unknown parameter or body raises `KeyError`: the test must be extended for a new route."""
        path = self.path.format_map({name: quote(value, safe="") for name, value in ids.items()})
        body = {"json": bodies[f"{self.method} {self.path}"]} if self.method in ("post", "put", "patch") else {}
        return await client.request(self.method.upper(), path, **body)


def operations(app: FastAPI) -> list[Operation]:
    """Returns all operations, those that end things last."""

    def found() -> Iterator[Operation]:
        for path, methods in app.openapi()["paths"].items():
            yield from (Operation(method, path) for method in _METHODS if method in methods)

    return sorted(found(), key=_rank)


def undocumented(app: FastAPI) -> set[str]:
    """Returns the paths below `/v1` that are not in the document."""
    documented = {operation.path for operation in operations(app)}
    paths = {getattr(route, "path", "") for route in app.routes}
    plain = {path.replace(":id}", "}").replace(":last_id}", "}") for path in paths}
    return {path for path in plain if path.startswith("/v1")} - documented


def _rank(operation: Operation) -> int:
    return int(operation.method == "delete" or operation.path.endswith(_LAST))
