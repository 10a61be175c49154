"""The REST application that services share."""

import re
from collections.abc import AsyncIterator

import httpx
import pytest

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
