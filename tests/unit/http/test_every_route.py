"""Every route of every service asks for a key before it reads a body, but the few that are open by intent."""

import re
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.applications import Starlette
from starlette.routing import BaseRoute, Mount, Route
from steno_ingest.openapi import application as ingest
from steno_notifier.openapi import application as notifier

from steno.chassis import Wiring
from steno.http.gate import OPEN_FOLDER, OPEN_PATHS
from steno.storage import links

_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


def _of_a_service_without_rest() -> Starlette:
    wiring = Wiring()
    wiring.app.router.routes.extend(wiring.health.routes())
    return wiring.app


_APPLICATIONS = {"ingest": ingest, "notifier": notifier, "transcriber": _of_a_service_without_rest}


def _paths(routes: list[BaseRoute]) -> Iterator[str]:
    for route in routes:
        if isinstance(route, Mount):
            yield route.path + "/x"
        elif isinstance(route, Route | APIRoute):
            yield re.sub(r"\{[^}]*\}", "x", route.path)


@pytest.mark.parametrize("name", _APPLICATIONS)
async def test_a_key_comes_first(name: str) -> None:
    """Without a key, whatever the method, the answer is 401 and none of the body was asked for."""
    app = _APPLICATIONS[name]()
    paths = {path for path in (*_paths(app.routes), *_documented(app)) if path not in OPEN_PATHS}
    assert name == "transcriber" or len(paths) > 5
    sent = 0

    async def body() -> AsyncIterator[bytes]:
        nonlocal sent
        sent += 1
        yield b"{not json"

    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://steno") as client:
        for path in {*paths, "/v1/none", "/none", "/"}:
            if path.startswith(OPEN_FOLDER):
                continue
            for method in _METHODS:
                answer = await client.request(method, path, content=body(), headers={"content-type": "application/json"})
                if path.startswith(links.FOLDER):  # a link is its own key
                    assert (answer.status_code, path) == (403 if method == "GET" else 405, path)
                    continue
                assert (answer.status_code, path) == (401, path)
                assert answer.headers["content-type"] == "application/problem+json"
    assert sent == 0


def _documented(app: Any) -> Iterator[str]:
    if isinstance(app, FastAPI):
        for path in app.openapi()["paths"]:
            yield re.sub(r"\{[^}]*\}", "x", path)


def test_what_is_open_is_there() -> None:
    """Nothing is open that no service has."""
    everywhere = {route.path for make in _APPLICATIONS.values() for route in make().routes if isinstance(route, Route)}
    assert everywhere & OPEN_PATHS == {"/health/live", "/health/ready", "/metrics", "/openapi.json", "/docs"}
