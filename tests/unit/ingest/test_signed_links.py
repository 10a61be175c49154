"""Recordings of a local store, read by signed links as Azure would."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from steno_ingest.rest.signed import signed_route

from steno.http.auth import ApiKeys
from steno.http.gate import Gate
from steno.http.rates import Rate
from steno.storage import links
from steno.storage.objects import ObjectStore

NOW = datetime(2026, 3, 1, tzinfo=UTC)
SECRET = "s" * 32
KEY = "recordings/r 1/audio.wav"
AUDIO = bytes(range(256)) * 400


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    store = ObjectStore((tmp_path / "objects").as_uri())
    for key in (KEY, "recordings/r 2/audio.wav", "transcripts/r 1.json"):
        await store.put(key, AUDIO)
    (tmp_path / "secrets").write_text(f"{SECRET}\n")
    app = Starlette(
        routes=[signed_route(store, tmp_path / "secrets", clock=lambda: NOW)],
        middleware=[Middleware(Gate, keys=ApiKeys(None), wrong_keys=Rate(0), open_folders=(links.FOLDER,))],
    )
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://ingest") as made:
        yield made


def link(key: str = KEY, *, secret: str = SECRET, hours: float = 1) -> str:
    return links.make_link("http://ingest", key, secret=secret, expires=NOW + timedelta(hours=hours))


async def test_a_link_needs_no_key(client: httpx.AsyncClient) -> None:
    """The whole recording, which no cache keeps."""
    answer = await client.get(link())
    assert (answer.status_code, answer.content, answer.headers["cache-control"]) == (200, AUDIO, "private, no-store")


async def test_a_recording_is_read_in_ranges(client: httpx.AsyncClient) -> None:
    """And its length is learned without reading it."""
    head = await client.head(link())
    assert (head.status_code, head.headers["content-length"], head.headers["accept-ranges"]) == (200, "102400", "bytes")
    part = await client.get(link(), headers={"Range": "bytes=1000-1999"})
    assert (part.status_code, part.content) == (206, AUDIO[1000:2000])


async def test_a_link_opens_no_other_recording(client: httpx.AsyncClient) -> None:
    """A wrong, old or missing signature is 403, whether or not there is such a recording."""
    other = link().replace("r%201", "r%202")
    for url in (other, link(secret="t" * 32), link(hours=-1), link().partition("&")[0], link().replace("r%201", "none")):
        answer = await client.get(url)
        assert (answer.status_code, answer.json()["type"]) == (403, "urn:steno:problem:link")


@pytest.mark.parametrize(
    "key", ["transcripts/r 1.json", "recordings/../transcripts/r 1.json", "recordings/%2e%2e/x", "recordings/"]
)
async def test_nothing_but_recordings_is_read(client: httpx.AsyncClient, key: str) -> None:
    """Even if its link is signed."""
    assert (await client.get(link(key))).status_code == 403


async def test_a_recording_that_is_gone_is_404(client: httpx.AsyncClient) -> None:
    """To whoever has a link to it."""
    assert (await client.get(link("recordings/none/audio.wav"))).status_code == 404


async def test_only_reading_is_possible(client: httpx.AsyncClient) -> None:
    """A link is no way to change a recording."""
    assert (await client.put(link(), content=b"x")).status_code == 405
    assert (await client.delete(link())).status_code == 405


async def test_without_secrets_nothing_opens(tmp_path: Path) -> None:
    """The default."""
    store = ObjectStore((tmp_path / "objects").as_uri())
    await store.put(KEY, AUDIO)
    app = Starlette(routes=[signed_route(store, None, clock=lambda: NOW)])
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://ingest") as client:
        assert (await client.get(link())).status_code == 403
