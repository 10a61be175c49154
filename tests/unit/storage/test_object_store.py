"""Objects in a local folder."""

import os
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steno.storage.objects import ForeignObject, ObjectMissing, ObjectStore, StoreNotUsable, StoreUnavailable


@pytest.fixture
def store(tmp_path: Path) -> ObjectStore:
    """A store in a folder of its own."""
    return ObjectStore((tmp_path / "objects").as_uri())


async def test_what_was_put_is_read_back(store: ObjectStore) -> None:
    """An object keeps its bytes."""
    url = await store.put("transcripts/a.json", b"{}")
    assert (await store.get(url), await store.size(url)) == (b"{}", 2)


async def test_an_object_is_put_and_read_piece_by_piece(store: ObjectStore) -> None:
    """A recording need not fit in memory."""

    async def pieces() -> AsyncIterator[bytes]:
        for number in range(40):
            yield bytes([number]) * 100_000

    url = await store.put("recordings/a/audio.wav", pieces())
    assert [piece async for piece in store.stream(url)] != []
    assert await store.size(url) == 4_000_000


async def test_an_upload_that_breaks_leaves_no_object(store: ObjectStore) -> None:
    """An object is there whole or not at all."""

    async def broken() -> AsyncIterator[bytes]:
        yield b"x" * 100_000
        raise ConnectionError("the caller hung up")

    with pytest.raises(StoreUnavailable):
        await store.put("recordings/a/audio.wav", broken())
    with pytest.raises(ObjectMissing):
        await store.get(f"{store.url}/recordings/a/audio.wav")


async def test_an_object_is_created_once(store: ObjectStore) -> None:
    """Of two who create it one does, and the other changes nothing."""
    assert [await store.create("a", b"first"), await store.create("a", b"second")] == [True, False]
    assert await store.get(f"{store.url}/a") == b"first"


async def test_a_missing_object_is_a_permanent_error(store: ObjectStore) -> None:
    """Trying again would not help."""
    with pytest.raises(ObjectMissing, match=r"no object a\.wav"):
        await store.get(f"{store.url}/a.wav")


async def test_removing_twice_is_no_error(store: ObjectStore) -> None:
    """What is gone is gone."""
    url = await store.put("a", b"x")
    await store.delete(url)
    await store.delete(url)


@pytest.mark.parametrize("url", ["{folder}", "memory:///"])
async def test_what_is_under_a_prefix_is_listed_and_cleared(url: str, tmp_path: Path) -> None:
    """In the order of keys, and no neighbour whose name begins alike; nothing there is no error."""
    store = ObjectStore(url.format(folder=(tmp_path / "objects").as_uri()))
    for key in ("parts/b/2", "parts/b/1", "parts/bb/1", "parts/a"):
        await store.put(key, b"x")
    assert await store.list_urls("parts/b") == [f"{store.url}/parts/b/1", f"{store.url}/parts/b/2"]
    for _ in range(2):
        await store.clear("parts/b")
        assert await store.list_urls("parts/b") == []
    assert await store.list_urls("parts") == [f"{store.url}/parts/a", f"{store.url}/parts/bb/1"]
    assert not (tmp_path / "objects/parts/b").exists()


FOREIGN = [
    "file:///etc/passwd",
    "https://example.com/a",
    "{store}",
    "{store}/",
    "{store}-beside/a",
    "{store}//etc/passwd",
    "{store}///etc/passwd",
    "{store}/./a",
    "{store}/a/.",
    "{store}/a//b",
    "{store}/a/",
    "{store}/../secret",
    "{store}/a/../../secret",
    "{store}/%2e%2e/secret",
    "{store}/%2E%2E%2Fsecret",
    "{store}/%252e%252e/secret",
    "{store}/%25252e./secret",
    "{store}/.%2e/secret",
    "{store}/%2fetc/passwd",
    "{store}/a%2f%2fb",
    "{store}/..%5csecret",
    "{store}/..\\secret",
    "{store}/a\0b",
    "{store}/a%00b",
    "{store}/a%2500b",
    "{store}/a\nb",
    "{store}/a%0ab",
    "{store}/a\x7f",
    "{store}/a\u2028b",
    "{store}/a?versionId=1",
    "{store}/a%3Fb",
    "{store}/a#b",
    "{store}/a%23b",
    "{store}/\ud800",
    "{store}/" + "x" * 1025,
    "{upper}/a",
]


@pytest.mark.parametrize("url", FOREIGN)
@pytest.mark.parametrize("kind", ["file", "memory"])
async def test_a_store_touches_only_its_own(tmp_path: Path, kind: str, url: str) -> None:
    """A URL on a topic cannot turn the store on the machine's files, nor on what a key means to another system."""
    store = ObjectStore((tmp_path / "objects").as_uri() if kind == "file" else "memory:///bucket")
    (tmp_path / "secret").write_bytes(b"secret")
    named = url.format(store=store.url, upper=store.url.upper())
    assert not store.owns(named)
    for use in (store.get, store.size, store.delete, lambda named: store.move(named, "b")):
        with pytest.raises(ForeignObject):
            await use(named)
    with pytest.raises(ForeignObject):
        [piece async for piece in store.stream(named)]
    with pytest.raises(ForeignObject):
        store.open_local(named)
    assert (tmp_path / "secret").read_bytes() == b"secret"


@pytest.mark.parametrize("key", ["a b/ü.wav", "a%20b.wav", "...", "a/..b", "電話　一.wav", "a+b&c=d;e,f@g:h", "100%.wav"])
async def test_other_keys_are_plain(store: ObjectStore, key: str) -> None:
    """Whatever a system upstream calls its recordings."""
    assert await store.get(await store.put(key, b"x")) == b"x"


async def test_no_link_leads_out_of_a_local_store(store: ObjectStore, tmp_path: Path) -> None:
    """Neither an object that is a link nor a folder that is one, for reading, writing, moving or removing."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_bytes(b"secret")
    (tmp_path / "objects" / "link").symlink_to(outside / "secret")
    (tmp_path / "objects" / "folder").symlink_to(outside)
    inside = await store.put("inside", b"x")
    for key in ("link", "folder/secret"):
        for use in (store.get, store.size, store.delete, lambda url: store.move(url, "b")):
            with pytest.raises(ForeignObject):
                await use(f"{store.url}/{key}")
        with pytest.raises(ForeignObject):
            store.open_local(f"{store.url}/{key}")
    for write in (
        store.put("folder/new", b"x"),
        store.move(inside, "folder/new"),
        store.clear("folder"),
        store.clear("folder/x"),
    ):
        with pytest.raises(ForeignObject):
            await write
    with pytest.raises(ForeignObject):
        await store.sweep("folder", older_than=timedelta(0))
    assert [path.name for path in outside.iterdir()] == ["secret"]


async def test_a_store_whose_folder_is_a_link_works(tmp_path: Path) -> None:
    """The operator may put it on another disk."""
    (tmp_path / "disk").mkdir()
    (tmp_path / "objects").symlink_to(tmp_path / "disk")
    store = ObjectStore((tmp_path / "objects").as_uri())
    assert await store.get(await store.put("a/b", b"x")) == b"x"
    assert (tmp_path / "disk/a/b").exists()


@pytest.mark.timeout(5)
async def test_what_is_no_file_is_no_object(store: ObjectStore, tmp_path: Path) -> None:
    """A folder, a pipe, a name that is too long for a file: known at once, and not tried again."""
    (tmp_path / "objects" / "folder").mkdir()
    os.mkfifo(tmp_path / "objects" / "pipe")
    for key in ("folder", "pipe", "pipe/a", "x" * 300):
        for use in (store.get, store.size):
            with pytest.raises(ObjectMissing):
                await use(f"{store.url}/{key}")


async def test_a_store_whose_folder_is_away_is_worth_another_try(store: ObjectStore, tmp_path: Path) -> None:
    """A disk that is not mounted loses nobody's recording."""
    url = await store.put("a", b"x")
    (tmp_path / "objects").rename(tmp_path / "away")
    with pytest.raises(StoreUnavailable):
        await store.get(url)
    assert not await store.ping()


async def test_a_full_or_broken_disk_is_worth_another_try(tmp_path: Path) -> None:
    """What cannot be kept now is retried, not lost."""
    store = ObjectStore((tmp_path / "objects").as_uri())
    (tmp_path / "objects" / "transcripts").write_text("a file where a folder should be")
    with pytest.raises(StoreUnavailable):
        await store.put("transcripts/a.json", b"{}")


def test_a_path_is_not_a_store() -> None:
    """The error says what to write instead."""
    with pytest.raises(StoreNotUsable, match="file:///folder"):
        ObjectStore("/var/lib/steno")


def test_an_option_that_a_store_does_not_have_is_named() -> None:
    """A misspelt option is an error at start, and its value is in no message."""
    with pytest.raises(StoreNotUsable, match=r"s3://bucket cannot be used: .*'aws_acess_key'") as caught:
        ObjectStore("s3://bucket", {"AWS_ACESS_KEY": "hush"})
    assert "hush" not in str(caught.value)


@given(st.text(st.characters(), max_size=40) | st.text("a./%2eEfF\\?#\0 é", max_size=20))
async def test_any_key_is_foreign_or_means_the_same_to_every_store(key: str) -> None:
    """No text makes a store fail in another way, and none reaches another object."""
    store = ObjectStore("memory:///bucket")
    url = f"{store.url}/{key}"
    if not store.owns(url):
        with pytest.raises(ForeignObject):
            await store.get(url)
        return
    assert await store.put(key, b"x") == url
    assert await store.list_urls("") == [url]
    assert await store.get(url) == b"x"


async def test_what_goes_while_it_is_swept_is_passed_over(
    store: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An upload ends, or another instance sweeps: a folder or a file that is gone ends no sweep."""
    for key in ("uploads/a", "uploads/folder/b", "uploads/z"):
        await store.put(key, b"x")
    uploads = tmp_path / "objects/uploads"
    scandir, lstat = os.scandir, os.lstat

    def scan(path: str | Path) -> object:
        if Path(path) == uploads / "folder":
            (uploads / "folder/b").unlink()
            (uploads / "folder").rmdir()
        return scandir(path)

    def look(path: str | Path, **more: int) -> os.stat_result:
        if path == uploads / "a":
            Path(path).unlink()
        return lstat(path, **more)

    monkeypatch.setattr(os, "scandir", scan)
    monkeypatch.setattr(os, "lstat", look)
    assert await store.sweep("uploads", older_than=timedelta(seconds=-1)) == 1
    assert list(uploads.iterdir()) == []
