"""The watched folder: what is dropped there is taken in once, and put aside."""

import json
import os
from io import BufferedReader
from pathlib import Path
from typing import Any

import pytest
from steno_ingest.recordings.folder_contents import EMPTY_WAITS, Stamp
from steno_ingest.recordings.folder_files import OpenFolder, TargetFolder
from steno_ingest.recordings.intake import Upload
from steno_ingest.recordings.tables import recordings
from steno_ingest.recordings.watched_folder import WatchedFolder
from steno_ingest.tables import outbox
from structlog.testing import capture_logs
from support.ingest import CODEC, MAX_BYTES, Ingest

from steno.events.records import RecordingSubmitted
from steno.storage.objects import StoreUnavailable


class Watch:
    """A watched folder whose clock a test turns."""

    def __init__(self, ingest: Ingest, path: Path, *, only_marked: bool = False) -> None:
        self.now = 0.0
        self.path = path
        self.folder = WatchedFolder(
            path, ingest.intake, poll_seconds=3600, settle_seconds=2, only_marked=only_marked, clock=lambda: self.now
        )

    async def settle(self) -> None:
        """Two looks, far enough apart for what is there to count as whole, be it empty."""
        await self.folder.scan()
        self.now += 2 * EMPTY_WAITS
        await self.folder.scan()

    def files(self) -> list[str]:
        return sorted(str(path.relative_to(self.path)) for path in self.path.rglob("*") if path.is_file())


@pytest.fixture
def watch(ingest: Ingest, tmp_path: Path) -> Watch:
    path = tmp_path / "drop"
    path.mkdir()
    return Watch(ingest, path)


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    return sqlite_url


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
    said = {"call_id": "call-9", "format": "slin", "channels": [{"channel": 1, "role": "customer"}]}
    (watch.path / "a.json").write_text(json.dumps(said))
    (watch.path / "a.wav").write_bytes(b"audio")
    await watch.settle()
    (record,) = await submissions(ingest)
    assert (record.call_id, record.role_of(1).value) == ("call-9", "customer")
    assert (record.file_name, record.format) == ("a.wav", "slin")
    assert watch.files() == ["accepted/a.json", "accepted/a.wav"]


async def test_a_file_that_still_grows_is_left(ingest: Ingest, watch: Watch) -> None:
    """Only what has kept its size and time for long enough is complete; its metadata too."""
    audio, sidecar = watch.path / "a.wav", watch.path / "a.json"
    audio.write_bytes(b"au")
    await watch.folder.scan()
    watch.now = 1.9
    await watch.folder.scan()
    audio.write_bytes(b"audio")
    watch.now = 3.8
    await watch.folder.scan()
    sidecar.write_text('{"call_id": "x"}')
    watch.now = 5.8
    await watch.folder.scan()
    assert await submissions(ingest) == []
    watch.now = 7.8
    await watch.folder.scan()
    assert [record.call_id for record in await submissions(ingest)] == ["x"]


async def test_what_is_no_recording_is_left(ingest: Ingest, watch: Watch) -> None:
    """Hidden and partial files, other kinds, folders, links, lonely metadata and markers stay; each is told of once."""
    for name in (
        ".hidden.wav", "a.wav.part", "b.wav.filepart", "c.tmp", "d.wav.crdownload", "e.wav.partial", "f.wav~", "~g.wav",
        "._h.wav", ".i.wav.Xy12", "a.xml", "Thumbs.db", "desktop.ini", "j.csv", "no-suffix",
        os.fsdecode(b"\xff.txt"), "lonely.json", "lonely.wav.done",
    ):  # fmt: skip
        (watch.path / name).write_bytes(b"{}")
    (watch.path / "folder.wav").mkdir()
    (watch.path / "link.wav").symlink_to("/etc/hostname")
    (watch.path / "dangling.wav").symlink_to("/nowhere")
    before = watch.files()
    with capture_logs() as logged:
        await watch.settle()
        await watch.settle()
    assert (await submissions(ingest), watch.files()) == ([], before)
    assert sorted(line["file"] for line in logged) == sorted(path.name for path in watch.path.iterdir())
    assert {line["event"] for line in logged} == {"folder.left"}


async def test_a_partial_name_is_taken_once_it_is_a_whole_one(ingest: Ingest, watch: Watch) -> None:
    """Whatever lay under the name before."""
    partial = watch.path / "a.wav.filepart"
    partial.write_bytes(b"au")
    await watch.settle()
    partial.write_bytes(b"audio")
    await watch.settle()
    assert await submissions(ingest) == []
    partial.rename(watch.path / "a.wav")
    await watch.settle()
    (record,) = await submissions(ingest)
    assert await ingest.objects.get(record.url) == b"audio"


async def test_a_file_that_pauses_while_it_is_written_is_taken_once_and_whole(ingest: Ingest, watch: Watch) -> None:
    """However long it pauses, as long as the program that writes it has it open."""
    with (watch.path / "a.wav").open("wb") as writer, capture_logs() as logged:
        for piece in (b"", b"one", b"two"):
            writer.write(piece)
            writer.flush()
            await watch.settle()
            await watch.settle()
        assert await submissions(ingest) == []
    assert [line["event"] for line in logged] == ["folder.file_waiting"]
    await watch.settle()
    (record,) = await submissions(ingest)
    assert await ingest.objects.get(record.url) == b"onetwo"
    assert watch.files() == ["accepted/a.wav"]


async def test_a_file_that_grows_while_it_is_taken_in_is_left(
    ingest: Ingest, watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was read of it is thrown away, and it is taken once it is whole."""
    path = watch.path / "a.wav"
    path.write_bytes(b"half")
    really = ingest.intake.upload

    async def then_grow(*arguments: Any, **options: Any) -> Upload:
        upload = await really(*arguments, **options)
        path.write_bytes(b"whole")
        return upload

    with monkeypatch.context() as patch:
        patch.setattr(ingest.intake, "upload", then_grow)
        await watch.settle()
    assert (await submissions(ingest), ingest.kept()) == ([], [])
    await watch.settle()
    (record,) = await submissions(ingest)
    assert await ingest.objects.get(record.url) == b"whole"


@pytest.mark.parametrize("marker", ["a.wav.done", "a.done"])
async def test_a_marker_says_that_a_file_is_whole(ingest: Ingest, watch: Watch, marker: str) -> None:
    """At once, with its metadata; the marker goes aside with it, so that it says nothing about the next of that name."""
    (watch.path / "a.json").write_text('{"call_id": "x"}')
    (watch.path / "a.wav").write_bytes(b"audio")
    (watch.path / marker).touch()
    await watch.folder.scan()
    assert [record.call_id for record in await submissions(ingest)] == ["x"]
    assert watch.files() == ["accepted/a.json", "accepted/a.wav", "accepted/a.wav.done"]


async def test_only_marked_files_are_taken_where_the_settings_say_so(ingest: Ingest, watch: Watch) -> None:
    """However long the others have not changed."""
    watch = Watch(ingest, watch.path, only_marked=True)
    (watch.path / "a.wav").write_bytes(b"audio")
    await watch.settle()
    await watch.settle()
    assert await submissions(ingest) == []
    (watch.path / "a.wav.done").touch()
    await watch.folder.scan()
    assert len(await submissions(ingest)) == 1


async def test_what_cannot_be_moved_is_taken_in_once(ingest: Ingest, watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    """And a refusal is decided once; each waits for its move, which is told of once."""
    (watch.path / "a.wav").write_bytes(b"audio")
    (watch.path / "b.wav").write_bytes(b"x" * (MAX_BYTES + 1))
    uploads = []
    really = ingest.intake.upload

    async def counted(*arguments: Any, **options: Any) -> Upload:
        uploads.append(1)
        return await really(*arguments, **options)

    def stuck(*_arguments: object) -> None:
        raise PermissionError("not yours to move")

    with monkeypatch.context() as patch, capture_logs() as logged:
        patch.setattr(ingest.intake, "upload", counted)
        patch.setattr(TargetFolder, "move_in", stuck)
        for _ in range(4):
            await watch.settle()
    assert len(uploads) == 2
    assert sorted(line["event"] for line in logged) == [*["folder.file_waiting"] * 2, "folder.rejected", "recording.accepted"]
    await watch.settle()
    assert watch.files() == ["accepted/a.wav", "rejected/b.wav", "rejected/b.wav.reason.txt"]
    assert len(await submissions(ingest)) == 1


async def test_an_empty_file_waits_longer(ingest: Ingest, watch: Watch) -> None:
    """Programs make a file first, and write when they have something."""
    path = watch.path / "a.wav"
    path.touch()
    await watch.folder.scan()
    watch.now = 2 * EMPTY_WAITS - 0.1
    await watch.folder.scan()
    assert watch.files() == ["a.wav"]
    path.write_bytes(b"audio")
    await watch.settle()
    assert len(await submissions(ingest)) == 1


async def test_a_name_of_any_bytes_is_taken_in(ingest: Ingest, watch: Watch) -> None:
    """What is no text in it is marked as that in the call id."""
    (watch.path / os.fsdecode(b"caf\xe9.wav")).write_bytes(b"audio")
    await watch.settle()
    assert [record.call_id for record in await submissions(ingest)] == ["caf\ufffd"]


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


@pytest.mark.parametrize("name", ["x" * 251 + ".wav", "é" * 125 + ".wav", "x" * 250 + ".FLAC"])
async def test_the_longest_names_are_put_aside_as_well(ingest: Ingest, watch: Watch, name: str) -> None:
    """Cut where the name with its reason would be too long; what is the same then is numbered."""
    for audio in (b"audio", b"", b"more"):
        (watch.path / name).write_bytes(audio)
        await watch.settle()
    assert len(await submissions(ingest)) == 2
    assert len(watch.files()) == 4
    assert not (watch.path / name).exists()


async def test_a_crash_before_the_move_is_harmless(ingest: Ingest, watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    """Taken in and killed before it was put aside: the next process finds the same recording and puts it aside."""
    (watch.path / "a.wav").write_bytes(b"audio")

    def die(*_arguments: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(TargetFolder, "move_in", die)
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
    await watch.folder.scan()
    assert watch.files() == ["accepted/a.wav"]


async def test_a_file_that_becomes_a_link_after_the_look_is_not_followed(
    ingest: Ingest, watch: Watch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither the recording nor its metadata: it is left, and looked at again."""
    secret = tmp_path / "secret"
    for name in ("a.wav", "b.wav", "b.json", "c.wav"):
        (watch.path / name).write_bytes(b"{}")
    really = OpenFolder.open

    def then_open(folder: OpenFolder, name: str, stamp: Stamp, *, marked: bool) -> BufferedReader:
        path = watch.path / name
        if name in ("a.wav", "b.json"):
            secret.write_bytes(path.read_bytes())
            os.utime(secret, ns=(0, path.stat().st_mtime_ns))
            path.unlink()
            path.symlink_to(secret)
        return really(folder, name, stamp, marked=marked)

    with monkeypatch.context() as patch:
        patch.setattr(OpenFolder, "open", then_open)
        await watch.settle()
    assert [record.call_id for record in await submissions(ingest)] == ["c"]
    assert watch.files() == ["a.wav", "accepted/c.wav", "b.json", "b.wav"]


@pytest.mark.timeout(10)
@pytest.mark.parametrize("becomes", ["pipe", "folder", "nothing", "another file", "a longer file"])
async def test_a_file_that_is_another_after_the_look_is_left(
    ingest: Ingest, watch: Watch, monkeypatch: pytest.MonkeyPatch, becomes: str
) -> None:
    """What was looked at is what is opened, and nothing is waited for."""
    path = watch.path / "a.wav"
    path.write_bytes(b"audio")
    really = OpenFolder.open

    def then_open(folder: OpenFolder, name: str, stamp: Stamp, *, marked: bool) -> BufferedReader:
        match becomes:
            case "a longer file":
                path.write_bytes(b"audio and more")
            case "another file":
                other = path.with_name("other.part")
                other.write_bytes(b"other")
                os.utime(other, ns=(0, path.stat().st_mtime_ns))
                other.replace(path)
            case _:
                path.unlink()
        if becomes == "pipe":
            os.mkfifo(path)
        elif becomes == "folder":
            path.mkdir()
        return really(folder, name, stamp, marked=marked)

    with monkeypatch.context() as patch:
        patch.setattr(OpenFolder, "open", then_open)
        await watch.settle()
    assert await submissions(ingest) == []
    assert not (watch.path / "rejected").exists()


async def test_special_files_are_left(ingest: Ingest, watch: Watch) -> None:
    """A pipe is no recording, whatever it is called."""
    os.mkfifo(watch.path / "a.wav")
    os.mkfifo(watch.path / "b.json")
    (watch.path / "b.wav").write_bytes(b"audio")
    await watch.settle()
    assert [record.call_id for record in await submissions(ingest)] == ["b"]


async def test_a_file_with_another_name_elsewhere_is_rejected(ingest: Ingest, watch: Watch, tmp_path: Path) -> None:
    """A hard link may be to a file that its maker could not read."""
    (tmp_path / "secret").write_bytes(b"secret")
    os.link(tmp_path / "secret", watch.path / "a.wav")
    await watch.settle()
    assert await submissions(ingest) == []
    assert "hard link" in (watch.path / "rejected/a.wav.reason.txt").read_text()


@pytest.mark.parametrize("planted", ["accepted", "rejected"])
async def test_nothing_is_put_where_a_link_leads(ingest: Ingest, watch: Watch, tmp_path: Path, planted: str) -> None:
    """Whoever drops files could else have them moved anywhere. What waits is not taken in again and again."""
    (tmp_path / "elsewhere").mkdir()
    (watch.path / planted).symlink_to(tmp_path / "elsewhere")
    (watch.path / "a.wav").write_bytes(b"audio" if planted == "accepted" else b"")
    await watch.settle()
    await watch.folder.scan()
    assert list((tmp_path / "elsewhere").iterdir()) == []
    assert (watch.path / "a.wav").exists()
    assert await submissions(ingest) == []


async def test_a_reason_is_not_written_through_a_link(ingest: Ingest, watch: Watch, tmp_path: Path) -> None:
    """Nor over a file that is there."""
    (tmp_path / "precious").write_text("precious")
    (watch.path / "rejected").mkdir()
    (watch.path / "rejected/a.wav.reason.txt").symlink_to(tmp_path / "precious")
    (watch.path / "a.wav").write_bytes(b"")
    await watch.settle()
    assert (tmp_path / "precious").read_text() == "precious"
    assert "empty" in (watch.path / "rejected/a-2.wav.reason.txt").read_text()


async def test_a_folder_on_the_way_that_becomes_a_link_stops_the_watching(ingest: Ingest, tmp_path: Path) -> None:
    """What the operator had made a link before is followed."""
    (tmp_path / "disk" / "drop").mkdir(parents=True)
    (tmp_path / "evil" / "drop").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "disk")
    watch = Watch(ingest, tmp_path / "link" / "drop")
    (tmp_path / "disk" / "drop" / "a.wav").write_bytes(b"audio")
    await watch.settle()
    assert len(await submissions(ingest)) == 1
    (tmp_path / "disk").rename(tmp_path / "moved")
    (tmp_path / "disk").symlink_to(tmp_path / "evil")
    (tmp_path / "evil" / "drop" / "b.wav").write_bytes(b"secret")
    with pytest.raises(OSError, match="disk"):
        await watch.settle()
    assert len(await submissions(ingest)) == 1


async def test_whoever_may_drop_files_may_read_what_became_of_them(ingest: Ingest, watch: Watch) -> None:
    """The folders and reasons in it are open to those the folder itself is open to, whatever else the process keeps private."""
    watch.path.chmod(0o2775)
    (watch.path / "a.wav").write_bytes(b"")
    before = os.umask(0o077)
    try:
        await watch.settle()
    finally:
        os.umask(before)
    assert (watch.path / "rejected").stat().st_mode & 0o777 == 0o775
    assert (watch.path / "rejected/a.wav.reason.txt").stat().st_mode & 0o777 == 0o664
