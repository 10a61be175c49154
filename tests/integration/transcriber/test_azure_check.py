"""`steno azure check`: what works of what is set up, against the emulator."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from steno_transcriber.azure.check import Check, Tried
from steno_transcriber.settings import TranscriberSettings
from support.azure_world import AzureWorld, azure_world, wav

from steno.settings import read


@pytest.fixture
async def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[AzureWorld]:
    (tmp_path / "keys").write_text("key-one\n")
    (tmp_path / "call.wav").write_bytes(wav(seconds=3))
    monkeypatch.setenv("STENO_TRANSCRIBER_AZURE_KEYS_FILE", str(tmp_path / "keys"))
    monkeypatch.setenv("STENO_OBJECTS_URL", (tmp_path / "objects").as_uri())
    async with azure_world(tmp_path) as made:
        monkeypatch.setenv("STENO_TRANSCRIBER_AZURE_ENDPOINTS", made.urls[0])
        yield made


async def tried(world: AzureWorld, *, url: str | None) -> dict[str, Tried]:
    check = Check(read(TranscriberSettings), world.folder / "call.wav", url=url, locale="en-US", most_seconds=20)
    return {each.way: each for each in await check.run()}


async def test_what_works_says_what_was_heard(world: AzureWorld) -> None:
    """And what does not, why: the emulator has no live recognition. Nothing is left at Azure or in the store."""
    found = await tried(world, url=f"{world.recordings_url}/a.wav")
    assert found["batch"].works
    assert found["batch"].text.startswith("Phrase 0 on 0. Phrase 0 on 1.")
    assert found["fast"].works
    assert found["fast"].text.startswith("Fast 0 on 0.")
    assert not found["live"].works
    assert found["live"].text
    assert not world.azure.open_jobs


async def test_a_store_that_azure_cannot_read_is_named(world: AzureWorld) -> None:
    """With the settings that are missing; the recording does not stay in the store."""
    found = await tried(world, url=None)
    assert not found["batch"].works
    assert "STENO_LINKS_URL" in found["batch"].text
    assert not [path for path in (world.folder / "objects").rglob("*") if path.is_file()]


async def test_a_refused_key_is_told(world: AzureWorld) -> None:
    """With Azure's words."""
    world.azure.faults.keys = []
    found = await tried(world, url=f"{world.recordings_url}/a.wav")
    assert not found["batch"].works
    assert "invalid subscription key" in found["batch"].text


async def test_a_recording_that_azure_cannot_read_has_its_reason(world: AzureWorld) -> None:
    """Its report's."""
    found = await tried(world, url=f"{world.recordings_url}/none.wav")
    assert found["batch"].text == "InvalidUri: The recording cannot be read."
    assert not world.azure.open_jobs
