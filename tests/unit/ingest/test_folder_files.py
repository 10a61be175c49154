"""The files of the watched folder, which others change meanwhile."""

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from steno_ingest.recordings.folder_files import OpenFolder, StillOpen


def test_a_file_that_goes_while_the_folder_is_listed_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other recordings are found all the same."""
    for name in ("a.wav", "b.wav", "c.wav"):
        (tmp_path / name).write_bytes(b"x")
    scandir = os.scandir

    @contextmanager
    def listed(folder: int) -> Iterator[list[os.DirEntry[str]]]:
        with scandir(folder) as entries:
            found = list(entries)
        (tmp_path / "b.wav").unlink()
        yield found

    monkeypatch.setattr(os, "scandir", listed)
    with OpenFolder(tmp_path) as folder:
        files, others = folder.present()
    assert (sorted(files), others) == (["a.wav", "c.wav"], {})


def test_a_file_that_a_program_writes_is_not_opened(tmp_path: Path) -> None:
    """However long the program pauses, unless a marker says that it is whole; once the program has closed it, it is."""
    path = tmp_path / "a.wav"
    with OpenFolder(tmp_path) as folder, path.open("wb") as writer:
        writer.write(b"half")
        writer.flush()
        stamp = folder.present()[0]["a.wav"]
        with pytest.raises(StillOpen):
            folder.open("a.wav", stamp)
        with folder.open("a.wav", stamp, marked=True) as file:
            assert file.read() == b"half"
        writer.close()
        with folder.open("a.wav", stamp) as file:
            assert file.read() == b"half"


@pytest.mark.skipif(sys.platform != "linux", reason="leases are Linux's")
@pytest.mark.parametrize("number", [errno.EACCES, errno.EINVAL, errno.ENOTSUP])
def test_where_the_system_does_not_tell_who_writes_files_are_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """Files of others, and file systems without leases."""
    (tmp_path / "a.wav").write_bytes(b"x")

    def refuse(*_arguments: int) -> int:
        raise OSError(number, os.strerror(number))

    with OpenFolder(tmp_path) as folder:
        monkeypatch.setattr("fcntl.fcntl", refuse)
        folder.open("a.wav", folder.present()[0]["a.wav"]).close()
