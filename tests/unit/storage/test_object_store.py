"""Objects in a local folder."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from steno.storage.objects import ForeignObject, ObjectMissing, ObjectStore, StoreUnavailable


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
    assert await store.listed("parts/b") == [f"{store.url}/parts/b/1", f"{store.url}/parts/b/2"]
    for _ in range(2):
        await store.clear("parts/b")
        assert await store.listed("parts/b") == []
    assert await store.listed("parts") == [f"{store.url}/parts/a", f"{store.url}/parts/bb/1"]
    assert not (tmp_path / "objects/parts/b").exists()


@pytest.mark.parametrize("url", ["file:///etc/passwd", "https://example.com/a", "{store}/../secret", "{store}/%2e%2e/secret"])
async def test_a_store_reads_only_its_own(store: ObjectStore, url: str) -> None:
    """A URL on a topic cannot turn the store on the machine's files."""
    with pytest.raises(ForeignObject):
        await store.get(url.format(store=store.url))


async def test_a_full_or_broken_disk_is_worth_another_try(tmp_path: Path) -> None:
    """What cannot be kept now is retried, not lost."""
    store = ObjectStore((tmp_path / "objects").as_uri())
    (tmp_path / "objects" / "transcripts").write_text("a file where a folder should be")
    with pytest.raises(StoreUnavailable):
        await store.put("transcripts/a.json", b"{}")


def test_a_path_is_not_a_store() -> None:
    """The error says what to write instead."""
    with pytest.raises(ValueError, match="file:///folder"):
        ObjectStore("/var/lib/steno")
