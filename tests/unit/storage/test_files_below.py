"""Files below a folder: no name leads out, and nothing is waited for."""

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steno.storage.files_below import NoRegularFile, OutsideFolder, open_below, open_in


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a file in it, beside a secret one."""
    made = tmp_path / "in"
    (made / "deep").mkdir(parents=True)
    (made / "deep" / "a.wav").write_bytes(b"audio")
    (tmp_path / "secret").write_bytes(b"secret")
    return made


def read(path: Path, *folders: Path) -> bytes:
    with open_below(path, folders) as file:
        return file.read()


def test_a_file_below_the_folder_is_opened(folder: Path) -> None:
    """By its name, by a detour, and by a link that stays inside."""
    (folder / "link.wav").symlink_to("deep/a.wav")
    (folder / "short").symlink_to(folder / "deep")
    for name in ("deep/a.wav", "deep/../deep/a.wav", "deep//a.wav", "./deep/./a.wav", "link.wav", "short/a.wav"):
        assert read(folder / name, folder) == b"audio"


def test_one_of_several_folders_is_enough(folder: Path, tmp_path: Path) -> None:
    """A link may lead from one to the other."""
    other = tmp_path / "other"
    other.mkdir()
    (other / "link.wav").symlink_to(folder / "deep/a.wav")
    assert read(other / "link.wav", other, folder) == b"audio"
    with pytest.raises(OutsideFolder):
        read(other / "link.wav", other)


@pytest.mark.parametrize(
    "name",
    [
        "../secret",
        "../nothing",
        "../in-beside/a.wav",
        "deep/../../secret",
        "up/secret",
        "up/in/up/secret",
        "secret.wav",
        "nothing.wav",
        "loop-outside",
        "../../../../../../../../etc/passwd",
        "/etc/passwd",
        "/proc/self/environ",
        "/proc/self/root/etc/passwd",
        "/dev/stdin",
        "",
        ".",
    ],
)
def test_what_lies_outside_is_refused_alike(folder: Path, tmp_path: Path, name: str) -> None:
    """Whether it exists or not, and whatever it is; the folder itself is no file below it."""
    (tmp_path / "in-beside").mkdir()
    (tmp_path / "in-beside" / "a.wav").write_bytes(b"secret")
    (folder / "up").symlink_to(tmp_path)
    (folder / "secret.wav").symlink_to(tmp_path / "secret")
    (folder / "nothing.wav").symlink_to(tmp_path / "nothing")
    (folder / "loop-outside").symlink_to(tmp_path / "loop")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with pytest.raises(OutsideFolder):
        open_below(folder / name, [folder])


def special(kind: str, path: Path) -> None:
    match kind:
        case "folder":
            path.mkdir()
        case "pipe":
            os.mkfifo(path)
        case "socket":
            with socket.socket(socket.AF_UNIX) as made:
                # Its name may have 108 bytes, and pytest's folders are long.
                here = Path.cwd()
                os.chdir(path.parent)
                made.bind(path.name)
                os.chdir(here)
        case "loop":
            path.symlink_to(path)
        case "broken link":
            path.symlink_to(path.with_name("gone"))


@pytest.mark.timeout(5)
@pytest.mark.parametrize("kind", ["folder", "pipe", "socket", "loop", "broken link", "nothing"])
def test_what_is_no_regular_file_is_refused_at_once(folder: Path, kind: str) -> None:
    """A pipe that nobody writes to would block its reader for ever."""
    special(kind, folder / "a.wav")
    with pytest.raises(NoRegularFile):
        open_below(folder / "a.wav", [folder])
    with pytest.raises(NoRegularFile):
        open_below(folder / "a.wav" / "b.wav", [folder])


@pytest.mark.parametrize("name", ["a\0b", "x" * 300, "x/" * 3000])
def test_a_name_that_no_file_can_have_is_no_file(folder: Path, name: str) -> None:
    """Not an error of the disk, which would be tried again."""
    with pytest.raises(NoRegularFile):
        open_below(folder / name, [folder])


def test_a_device_is_not_even_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    """Opening one can have effects, such as to rewind a tape."""
    opened: list[str] = []
    really = os.open

    def noted(path: str, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        opened.append(str(path))
        return really(path, flags, mode, dir_fd=dir_fd)

    monkeypatch.setattr(os, "open", noted)
    with pytest.raises(NoRegularFile):
        open_below(Path("/dev/null"), [Path("/dev")])
    assert opened == ["/dev"]


@pytest.mark.parametrize(
    ("swap", "refused"),
    [
        (lambda folder, out: _replace(folder / "deep/a.wav", out / "secret"), NoRegularFile),
        (lambda folder, out: _replace(folder / "deep", out / "evil"), NoRegularFile),
        (lambda folder, _out: _replace(folder / "deep/a.wav", None), NoRegularFile),
    ],
    ids=["the file", "its folder", "a pipe"],
)
def test_what_becomes_a_link_after_the_look_is_not_followed(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, swap: Callable[[Path, Path], None], refused: type[Exception]
) -> None:
    """The opening fails: neither the file nor a folder above it is a link by then."""
    (tmp_path / "evil").mkdir()
    (tmp_path / "evil" / "a.wav").write_bytes(b"secret")
    really = os.path.realpath

    def then_swap(path: Path) -> str:
        resolved = really(path)
        swap(folder, tmp_path)
        return resolved

    monkeypatch.setattr(os.path, "realpath", then_swap)
    with pytest.raises(refused):
        open_below(folder / "deep/a.wav", [folder])


def test_what_is_replaced_between_the_look_and_the_opening_is_not_read(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another file under the same name is not the one that was looked at."""
    really = os.stat

    def then_swap(path: str, *, dir_fd: int | None = None, follow_symlinks: bool = True) -> os.stat_result:
        found = really(path, dir_fd=dir_fd, follow_symlinks=follow_symlinks)
        (tmp_path / "secret").replace(folder / "deep" / "a.wav")
        return found

    monkeypatch.setattr(os, "stat", then_swap)
    here = os.open(folder / "deep", os.O_RDONLY)
    try:
        with pytest.raises(NoRegularFile):
            open_in(here, "a.wav")
    finally:
        os.close(here)


def _replace(path: Path, target: Path | None) -> None:
    path.rename(path.with_name("moved"))
    if target is None:
        os.mkfifo(path)
    else:
        path.symlink_to(target)


@pytest.fixture(scope="module")
def maze(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with links that lead everywhere, beside what is secret."""
    outside = tmp_path_factory.mktemp("outside")
    made = outside / "in"
    (made / "deep").mkdir(parents=True)
    (made / "deep" / "a").write_bytes(b"audio")
    (outside / "a").write_bytes(b"secret")
    (outside / "deep").mkdir()
    (outside / "deep" / "a").write_bytes(b"secret")
    for name, target in {
        "up": "..",
        "self": ".",
        "again": "deep/../../in",
        "out": "../deep",
        "far": "/",
        "loop": "loop",
    }.items():
        (made / name).symlink_to(target)
        (made / "deep" / name).symlink_to(target)
    return made


@given(
    st.lists(st.sampled_from(["..", ".", "", "in", "deep", "a", "up", "self", "again", "out", "far", "loop", "~"]), max_size=8)
)
def test_no_way_through_a_maze_leads_out(maze: Path, parts: list[str]) -> None:
    """What is read is what lies in the folder, by whatever detour; all else is refused."""
    try:
        with open_below(maze / "/".join(parts), [maze]) as file:
            assert file.read() == b"audio"
    except (OutsideFolder, NoRegularFile):
        pass
