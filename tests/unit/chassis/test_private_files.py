"""What the suite keeps is for its user alone, whatever was there before and whatever umask it was started with."""

import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from steno import chassis, locked_child, private_files, settings
from steno.cli.suite import Suite
from steno.settings import ServiceSettings, SettingsError


@pytest.fixture(autouse=True)
def open_to_all() -> Iterator[None]:
    """The umask of most users; set back afterwards."""
    before = os.umask(0o022)
    yield
    os.umask(before)


def modes(folder: Path) -> dict[str, int]:
    """The permissions of all that is in a folder, and of itself."""
    found = {path.relative_to(folder).as_posix(): path for path in [folder, *folder.rglob("*")]}
    return {name: stat.S_IMODE(path.lstat().st_mode) for name, path in found.items() if not path.is_symlink()}


def test_what_is_written_is_private(tmp_path: Path) -> None:
    """A new file and a new folder, and those in whose place they come; a link in the way is not written through."""
    (tmp_path / "precious").write_text("precious")
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "b").write_text("old")
    (folder / "b.new").symlink_to(tmp_path / "precious")
    private_files.make_folder(folder)
    private_files.make_folder(folder / "deep")
    for name in ("a", "b"):
        private_files.write(folder / name, "new")
    assert modes(folder) == {".": 0o700, "deep": 0o700, "a": 0o600, "b": 0o600}
    assert (folder / "b").read_text() == "new"
    assert (tmp_path / "precious").read_text() == "precious"


def test_a_private_folder_may_be_on_another_disk(tmp_path: Path) -> None:
    """A link stands for what it leads to."""
    (tmp_path / "disk").mkdir()
    (tmp_path / "data").symlink_to(tmp_path / "disk")
    private_files.make_folder(tmp_path / "data")
    assert modes(tmp_path / "disk") == {".": 0o700}


def test_a_data_folder_from_before_is_mended(tmp_path: Path) -> None:
    """All of it, programs and marks of groups too; but no link is followed out of it."""
    (tmp_path / "outside").write_text("x")
    data = tmp_path / "data"
    (data / "objects" / "a").mkdir(parents=True, mode=0o2775)
    for name, mode in {"ingest.db": 0o644, "ingest.db-wal": 0o644, "objects/a/b": 0o664, "objects/run": 0o755}.items():
        (data / name).write_text("x")
        (data / name).chmod(mode)
    (data / "objects" / "link").symlink_to(tmp_path / "outside")
    before = modes(tmp_path)["outside"]
    private_files.make_private([data])
    private_files.make_private([data, data / "gone"])
    assert not any(mode & 0o077 for mode in modes(data).values()), modes(data)
    assert modes(data)["objects/run"] == 0o700
    assert modes(tmp_path)["outside"] == before


async def test_the_suite_mends_what_is_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder that it shares with other things keeps those as they are; nobody else can come in to them any more."""
    data = tmp_path / "data"
    for name in ("api-key", "secret-key", "ingest.db-shm", "logs/ingest.log", "broker/1/kafka/phrases-0/0.log", "photos/cat"):
        (data / name).parent.mkdir(parents=True, exist_ok=True)
        (data / name).write_text("x")

    class Enough(Exception):
        """So far, and no farther."""

    def stop(_suite: Suite) -> None:
        raise Enough

    monkeypatch.setattr(Suite, "_make_keys", stop)
    with pytest.raises(Enough):
        await Suite(data).start(print)
    found = modes(data)
    assert {name for name, mode in found.items() if mode & 0o077} == {"photos", "photos/cat"}


def test_a_guarded_program_creates_private_files(tmp_path: Path) -> None:
    """The broker and every service of `steno up` is one."""
    made = tmp_path / "made"
    program = locked_child.command_line((sys.executable, "-c", f"open({str(made)!r}, 'w')"), tmp_path / "lock")
    subprocess.run(program, check=True)
    assert modes(tmp_path)["made"] == modes(tmp_path)["lock"] == 0o600


def test_a_service_creates_private_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """However it is started: this is before it reads its settings."""

    def unreadable(_type: object) -> None:
        raise SettingsError("no")

    monkeypatch.setattr(settings, "read", unreadable)
    assert chassis.run(ServiceSettings, lambda _settings: pytest.fail("not built")) == 2
    assert os.umask(0o022) == 0o077
