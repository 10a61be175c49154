"""The REST application that services share."""

import re
from collections.abc import AsyncIterator

import httpx
import pytest

from steno.errors import Permanent, Retryable, StenoError
from steno.http.problems import ApiProblem, Problem
from steno.http.rest import RestApplication


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    """A client of an empty application behind a proxy that strips a prefix."""
    transport = httpx.ASGITransport(RestApplication(title="Small"), root_path="/steno")
    async with httpx.AsyncClient(transport=transport, base_url="http://small") as client:
        yield client


async def test_the_page_needs_no_internet(client: httpx.AsyncClient) -> None:
    """All that `/docs` loads comes from the service itself."""
    page = await client.get("/steno/docs")
    assert page.status_code == 200
    assert "//" not in re.sub(r"<!--.*?-->", "", page.text)
    loaded = re.findall(r"(?:src|href)=\"([^\"]+)\"|url: '([^']+)'", page.text)
    assert len(loaded) == 4
    for source, url in loaded:
        assert (await client.get(source or url)).status_code == 200


async def test_the_page_is_not_part_of_the_api(client: httpx.AsyncClient) -> None:
    """The OpenAPI document lists neither the page nor its files."""
    assert (await client.get("/steno/openapi.json")).json()["paths"] == {}


def problem_of(error: StenoError) -> Problem | None:
    """A service whose clients are told of what is permanent."""
    return (
        Problem(status=409, kind="taken", detail=str(error), about={"state": "ended"}) if isinstance(error, Permanent) else None
    )


@pytest.mark.parametrize(
    ("error", "status", "kind"),
    [
        (Permanent("it is taken"), 409, "taken"),
        (Retryable("the store is away"), 503, "retryable"),
        (ApiProblem(415, "content_type", "send JSON"), 415, "content_type"),
        (ValueError("a fault of the service"), 500, "unexpected"),
        (StenoError("another fault of the service"), 500, "unexpected"),
    ],
    ids=["permanent", "retryable", "api_problem", "unexpected", "unknown"],
)
async def test_every_error_is_answered_as_a_problem(error: Exception, status: int, kind: str) -> None:
    """Errors of the service as it says, those that pass with `Retry-After`, and all others as an error of the server."""
    app = RestApplication(title="Small", problem_of=problem_of)

    @app.get("/broken")
    async def broken() -> None:
        raise error

    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://small") as client:
        answer = await client.get("/broken")
    assert answer.headers["content-type"] == "application/problem+json"
    assert (answer.status_code, answer.json()["type"]) == (status, f"urn:steno:problem:{kind}")
    assert ("retry-after" in answer.headers) == (status == 503)


async def test_a_value_that_is_not_valid_is_named() -> None:
    """With where it stands, and what is wrong with it."""
    app = RestApplication(title="Small")

    @app.get("/entries")
    async def entries(limit: int) -> int:
        return limit

    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://small") as client:
        answer = await client.get("/entries", params={"limit": "many"})
    assert answer.status_code == 422
    assert [fault["where"] for fault in answer.json()["errors"]] == ["query.limit"]


async def test_the_openapi_document_has_the_schema_of_problems(client: httpx.AsyncClient) -> None:
    """Routes refer to it, though no route answers with it itself."""
    assert {"Problem", "ProblemFault"} <= (await client.get("/steno/openapi.json")).json()["components"]["schemas"].keys()
