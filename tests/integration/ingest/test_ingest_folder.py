"""The watched folder: what is dropped there is taken in once, and put aside."""

import json
from pathlib import Path

import pytest
from steno_ingest import folder as folder_module
from steno_ingest.folder import WatchedFolder
from steno_ingest.tables import outbox, recordings
from support.ingest import CODEC, MAX_BYTES, Ingest

from steno.events.records import RecordingSubmitted
from steno.storage.objects import StoreUnavailable


class Watch:
    """A watched folder whose clock a test turns."""

    def __init__(self, ingest: Ingest, path: Path) -> None:
        self.now = 0.0
        self.path = path
        self.folder = WatchedFolder(path, ingest.intake, poll_seconds=3600, settle_seconds=2, clock=lambda: self.now)

    async def settle(self) -> None:
        """Two looks, far enough apart for what is there to count as complete."""
        await self.folder.look()
        self.now += 2
        await self.folder.look()

    def files(self) -> list[str]:
        return sorted(str(path.relative_to(self.path)) for path in self.path.rglob("*") if path.is_file())


@pytest.fixture
def watch(ingest: Ingest, tmp_path: Path) -> Watch:
    path = tmp_path / "drop"
    path.mkdir()
    return Watch(ingest, path)


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/ingest.db"


async def submissions(ingest: Ingest) -> list[RecordingSubmitted]:
    records = [CODEC.decode(row.value) for row in await ingest.rows(outbox)]
    return [record for record in records if isinstance(record, RecordingSubmitted)]


async def test_a_file_is_taken_in(ingest: Ingest, watch: Watch) -> None:
    """Its stem is the call id; the file goes to accepted/."""
    (watch.path / "call-1.wav").write_bytes(b"audio")
    await watch.settle()
    (record,) = await submissions(ingest)
    assert record.call_id == "call-1"
    assert await ingest.objects.get(record.url) == b"audio"
    assert watch.files() == ["accepted/call-1.wav"]
    (row,) = await ingest.rows(recordings)
    assert row.door == "folder"


async def test_metadata_lie_beside_it(ingest: Ingest, watch: Watch) -> None:
    """NAME.json says what the file does not, and goes along."""
    (watch.path / "a.json").write_text(json.dumps({"call_id": "call-9", "channels": [{"channel": 1, "role": "customer"}]}))
    (watch.path / "a.wav").write_bytes(b"audio")
    await watch.settle()
    (record,) = await submissions(ingest)
    assert (record.call_id, record.role_of(1).value) == ("call-9", "customer")
    assert watch.files() == ["accepted/a.json", "accepted/a.wav"]


async def test_a_file_that_still_grows_is_left(ingest: Ingest, watch: Watch) -> None:
    """Only what has kept its size and time for long enough is complete; its metadata too."""
    audio, sidecar = watch.path / "a.wav", watch.path / "a.json"
    audio.write_bytes(b"au")
    await watch.folder.look()
    watch.now = 1.9
    await watch.folder.look()
    audio.write_bytes(b"audio")
    watch.now = 3.8
    await watch.folder.look()
    sidecar.write_text('{"call_id": "x"}')
    watch.now = 5.8
    await watch.folder.look()
    assert await submissions(ingest) == []
    watch.now = 7.8
    await watch.folder.look()
    assert [record.call_id for record in await submissions(ingest)] == ["x"]


async def test_what_is_no_recording_is_left(ingest: Ingest, watch: Watch) -> None:
    """Hidden and partial files, folders, links and lonely metadata stay as they are."""
    for name in (".hidden.wav", "a.wav.part", "lonely.json"):
        (watch.path / name).write_bytes(b"{}")
    (watch.path / "folder.wav").mkdir()
    (watch.path / "link.wav").symlink_to("/etc/hostname")
    before = watch.files()
    await watch.settle()
    assert (await submissions(ingest), watch.files()) == ([], before)


@pytest.mark.parametrize(
    ("name", "audio", "sidecar", "reason"),
    [
        ("empty.wav", b"", None, "empty"),
        ("a.wav", b"audio", "{", "not JSON"),
        ("a.wav", b"audio", '{"colour": 1}', "colour"),
        ("a\nb.wav", b"audio", None, "control characters"),
        ("large.wav", b"x" * (MAX_BYTES + 1), None, "larger"),
    ],
)
async def test_what_cannot_be_taken_in_is_rejected(
    ingest: Ingest, watch: Watch, name: str, audio: bytes, sidecar: str | None, reason: str
) -> None:
    """It goes to rejected/ with a reason for a person, and the next file is taken in."""
    (watch.path / name).write_bytes(audio)
    if sidecar is not None:
        (watch.path / name).with_suffix(".json").write_text(sidecar)
    (watch.path / "z.wav").write_bytes(b"fine")
    await watch.settle()
    assert reason in (watch.path / "rejected" / f"{name}.reason.txt").read_text()
    assert (watch.path / "rejected" / name).read_bytes() == audio
    assert [record.call_id for record in await submissions(ingest)] == ["z"]


async def test_a_name_used_again_overwrites_nothing(ingest: Ingest, watch: Watch) -> None:
    """A second file of the same name is another recording of the call, and stands beside the first."""
    for audio in (b"one", b"two"):
        (watch.path / "a.wav").write_bytes(audio)
        await watch.settle()
    assert len(await submissions(ingest)) == 2
    assert watch.files() == ["accepted/a-2.wav", "accepted/a.wav"]


async def test_a_crash_before_the_move_is_harmless(ingest: Ingest, watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    """Taken in and killed before it was put aside: the next process finds the same recording and puts it aside."""
    (watch.path / "a.wav").write_bytes(b"audio")

    def die(*_arguments: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(folder_module, "_put_aside", die)
        with pytest.raises(KeyboardInterrupt):
            await watch.settle()
    assert watch.files() == ["a.wav"]
    await Watch(ingest, watch.path).settle()
    assert len(await submissions(ingest)) == len(await ingest.rows(recordings)) == 1
    assert watch.files() == ["accepted/a.wav"]
    assert len(ingest.kept()) == 1


async def test_a_store_that_is_away_is_waited_for(ingest: Ingest, watch: Watch) -> None:
    """The file stays where it is and is taken in when the store is back."""
    blocker = ingest.folder / "uploads"
    blocker.write_bytes(b"")
    (watch.path / "a.wav").write_bytes(b"audio")
    with pytest.raises(StoreUnavailable):
        await watch.settle()
    assert watch.files() == ["a.wav"]
    blocker.unlink()
    await watch.folder.look()
    assert watch.files() == ["accepted/a.wav"]
