"""Fetching recordings from folders and from the object store."""

import hashlib
import os
from io import BufferedReader
from pathlib import Path

import aiohttp
import pytest
from steno_transcriber.fetch.errors import ChecksumMismatch, FileForbidden, RecordingMissing, UnsupportedUrl
from steno_transcriber.fetch.fetcher import Fetcher
from support.fetching import AUDIO, LIMITS, fetched

from steno.storage.objects import ObjectStore


async def test_a_file_of_an_allowed_folder_is_read_in_place(fetcher: Fetcher, tmp_path: Path) -> None:
    """Without a copy."""
    path = tmp_path / "calls" / "monday" / "a b.wav"
    path.parent.mkdir()
    path.write_bytes(AUDIO)
    async with fetcher.fetch(path.as_uri()) as audio:
        assert (audio.path.samefile(path), audio.name) == (True, "a b.wav")


async def test_files_elsewhere_are_forbidden(fetcher: Fetcher, tmp_path: Path) -> None:
    """By their path, by `..`, by a link, whether they exist or not; a folder with a like name is another one."""
    (tmp_path / "secret.wav").write_bytes(AUDIO)
    (tmp_path / "calls-of-others").mkdir()
    (tmp_path / "calls" / "link.wav").symlink_to(tmp_path / "secret.wav")
    (tmp_path / "calls" / "up").symlink_to(tmp_path)
    base = tmp_path.as_uri()
    for url in (
        f"{base}/secret.wav",
        f"{base}/nothing.wav",
        f"{base}/calls/../secret.wav",
        f"{base}/calls/%2e%2e/secret.wav",
        f"{base}/calls/link.wav",
        f"{base}/calls/up/secret.wav",
        f"{base}/calls-of-others/a.wav",
    ):
        with pytest.raises(FileForbidden, match="STENO_TRANSCRIBER_FILE_FOLDERS"):
            await fetched(fetcher, url)


async def test_no_url_of_the_store_leads_to_another_file(fetcher: Fetcher, store: ObjectStore, tmp_path: Path) -> None:
    """And whether there is one, how large it is, or what is in it, is not told: each answer is the same but for the URL."""
    secret = tmp_path / "secret.wav"
    secret.write_bytes(AUDIO * 3)  # larger than a recording may be
    (tmp_path / "objects" / "link.wav").symlink_to(secret)
    (tmp_path / "objects" / "nowhere.wav").symlink_to(tmp_path / "nothing.wav")
    (tmp_path / "objects" / "up").symlink_to(tmp_path)
    os.mkfifo(tmp_path / "pipe.wav")
    reasons = set()
    for name in ("secret.wav", "nothing.wav", "pipe.wav", "objects"):
        for way in (f"/{tmp_path}/{name}", f"//{tmp_path}/{name}", f"../{name}", f"%2e%2e/{name}", f"up/{name}", f"a//{name}"):
            url = f"{store.url}/{way}"
            for sha256 in ("", "0" * 64, hashlib.sha256(AUDIO * 3).hexdigest()):
                with pytest.raises(FileForbidden) as refused:
                    await fetched(fetcher, url, sha256=sha256)
                reasons.add(str(refused.value).replace(url, "URL"))
    for url in (
        f"{store.url}/link.wav",
        f"{store.url}/nowhere.wav",
        f"{store.url}?a",
        f"{store.url}/a.wav#b",
        f"{store.url}/a?b",
    ):
        with pytest.raises(FileForbidden):
            await fetched(fetcher, url)
    assert len(reasons) == 1


@pytest.mark.timeout(10)
@pytest.mark.parametrize("place", ["calls", "objects"])
async def test_a_pipe_is_refused_at_once(fetcher: Fetcher, tmp_path: Path, place: str) -> None:
    """To open it would hold a thread until somebody writes to it."""
    os.mkfifo(tmp_path / place / "pipe.wav")
    with pytest.raises(RecordingMissing):
        await fetched(fetcher, f"{(tmp_path / place).as_uri()}/pipe.wav", sha256="0" * 64)


async def test_what_is_fetched_is_what_was_checked(fetcher: Fetcher, tmp_path: Path) -> None:
    """A file whose name becomes a link to another one after the check is read all the same, not the other."""
    (tmp_path / "secret.wav").write_bytes(b"secret")
    audio_file = tmp_path / "calls" / "a.wav"
    audio_file.write_bytes(AUDIO)
    async with fetcher.fetch(audio_file.as_uri(), sha256=hashlib.sha256(AUDIO).hexdigest()) as audio:
        audio_file.unlink()
        audio_file.symlink_to(tmp_path / "secret.wav")
        assert audio.path.read_bytes() == AUDIO


async def test_files_are_forbidden_by_default(inside: aiohttp.ClientSession, store: ObjectStore, tmp_path: Path) -> None:
    """With the name of the setting that allows them."""
    (tmp_path / "a.wav").write_bytes(AUDIO)
    with pytest.raises(FileForbidden, match="STENO_TRANSCRIBER_FILE_FOLDERS"):
        await fetched(Fetcher(store=store, session=inside, limits=LIMITS), (tmp_path / "a.wav").as_uri())


async def test_what_is_no_file_is_missing(fetcher: Fetcher, tmp_path: Path) -> None:
    """A name without a file, a folder, a loop of links."""
    (tmp_path / "calls" / "folder.wav").mkdir()
    (tmp_path / "calls" / "loop.wav").symlink_to(tmp_path / "calls" / "loop.wav")
    for name in ("gone.wav", "folder.wav", "loop.wav"):
        with pytest.raises(RecordingMissing):
            await fetched(fetcher, f"{(tmp_path / 'calls').as_uri()}/{name}")


@pytest.mark.parametrize("url", ["file://elsewhere/share/a.wav", "file:///a%00b.wav"])
async def test_a_file_of_another_machine_is_no_recording(fetcher: Fetcher, url: str) -> None:
    """Nor is one whose name cannot be."""
    with pytest.raises(UnsupportedUrl):
        await fetched(fetcher, url)


async def test_an_object_of_a_local_store_is_read_in_place(fetcher: Fetcher, store: ObjectStore, tmp_path: Path) -> None:
    """Whatever folders are allowed: the store is ours."""
    url = await store.put("recordings/1/audio.wav", AUDIO)
    async with fetcher.fetch(url, sha256=hashlib.sha256(AUDIO).hexdigest()) as audio:
        assert audio.path.samefile(tmp_path / "objects" / "recordings" / "1" / "audio.wav")


async def test_an_object_that_changed_is_refused(fetcher: Fetcher, store: ObjectStore) -> None:
    """The digest counts for objects too."""
    url = await store.put("recordings/1/audio.wav", AUDIO)
    with pytest.raises(ChecksumMismatch, match="0" * 64) as refused:
        await fetched(fetcher, url, sha256="0" * 64)
    assert hashlib.sha256(AUDIO).hexdigest()[:8] not in str(refused.value), "what is there is not told"


async def test_a_missing_object_is_missing(fetcher: Fetcher, store: ObjectStore) -> None:
    """Nothing to wait for."""
    with pytest.raises(RecordingMissing):
        await fetched(fetcher, f"{store.url}/recordings/1/audio.wav")


class Remote(ObjectStore):
    """A store that is not a folder of this machine."""

    def open_local(self, url: str) -> BufferedReader | None:
        return None


async def test_an_object_of_a_remote_store_is_streamed(inside: aiohttp.ClientSession, tmp_path: Path) -> None:
    """Its objects come piece by piece."""
    store = Remote((tmp_path / "objects").as_uri())
    url = await store.put("recordings/1/audio.wav", AUDIO)
    fetcher = Fetcher(store=store, session=inside, limits=LIMITS, temporary_folder=tmp_path)
    assert await fetched(fetcher, url, sha256=hashlib.sha256(AUDIO).hexdigest()) == AUDIO
    with pytest.raises(RecordingMissing):
        await fetched(fetcher, f"{store.url}/gone")
