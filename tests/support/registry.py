"""A schema registry for tests: the part of the Confluent API that clients use, in memory, over HTTP on loopback."""

import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

FIRST_ID = 100_001
"""The first id, far from the shipped ids, so that no test passes by confusing them."""


@dataclass
class StandInRegistry:
    """The schemas and requests of the registry, and the error that it simulates."""

    url: str = ""
    credentials: str | None = None
    subjects: dict[str, list[int]] = field(default_factory=dict)
    schemas: dict[int, dict[str, Any]] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)
    #: A status and body with which all requests are answered while set.
    instead: tuple[int, str] | None = None

    def add(self, subject: str, schema: str, kind: str = "AVRO") -> int:
        """Registers a schema; the same text has the same id everywhere."""
        known = [key for key, entry in self.schemas.items() if entry == {"schema": schema, "schemaType": kind}]
        schema_id = known[0] if known else FIRST_ID + len(self.schemas)
        self.schemas[schema_id] = {"schema": schema, "schemaType": kind}
        if schema_id not in self.subjects.setdefault(subject, []):
            self.subjects[subject].append(schema_id)
        return schema_id


@asynccontextmanager
async def stand_in_registry() -> AsyncIterator[StandInRegistry]:
    """Runs a registry on a free loopback port inside the block."""
    registry = StandInRegistry()
    routes = _routes(registry)

    @web.middleware
    async def guard(request: web.Request, handler: Any) -> web.StreamResponse:
        registry.requests.append(f"{request.method} {request.path}")
        if registry.instead is not None:
            return web.Response(status=registry.instead[0], text=registry.instead[1])
        wanted = registry.credentials and "Basic " + base64.b64encode(registry.credentials.encode()).decode()
        if wanted and request.headers.get("Authorization") != wanted:
            return web.json_response({"error_code": 40101, "message": "Unauthorized"}, status=401)
        answer: web.StreamResponse = await handler(request)
        return answer

    app = web.Application(middlewares=[guard])
    app.add_routes(routes)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    registry.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield registry
    finally:
        await runner.cleanup()


def _routes(registry: StandInRegistry) -> web.RouteTableDef:
    routes = web.RouteTableDef()

    def found(subject: str, schema_id: int) -> web.Response:
        version = registry.subjects[subject].index(schema_id) + 1
        return web.json_response({"subject": subject, "id": schema_id, "version": version, **registry.schemas[schema_id]})

    @routes.post("/subjects/{subject}/versions")
    async def register(request: web.Request) -> web.Response:
        subject = request.match_info["subject"]
        return found(subject, registry.add(subject, (await request.json())["schema"]))

    @routes.post("/subjects/{subject}")
    async def look_up(request: web.Request) -> web.Response:
        subject, wanted = request.match_info["subject"], json.loads((await request.json())["schema"])
        for schema_id in registry.subjects.get(subject, []):
            if json.loads(registry.schemas[schema_id]["schema"]) == wanted:
                return found(subject, schema_id)
        code = 40403 if subject in registry.subjects else 40401
        return web.json_response({"error_code": code, "message": "not found"}, status=404)

    @routes.get("/subjects/{subject}/versions/latest")
    async def latest(request: web.Request) -> web.Response:
        subject = request.match_info["subject"]
        if subject not in registry.subjects:
            return web.json_response({"error_code": 40401, "message": "not found"}, status=404)
        return found(subject, registry.subjects[subject][-1])

    @routes.get("/schemas/ids/{id}")
    async def by_id(request: web.Request) -> web.Response:
        entry = registry.schemas.get(int(request.match_info["id"]))
        if entry is None:
            return web.json_response({"error_code": 40403, "message": "Schema not found"}, status=404)
        return web.json_response(entry)

    return routes
