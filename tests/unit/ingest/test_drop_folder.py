"""The files of the watched folder, which others change meanwhile."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from steno_ingest.drop import DropFolder


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
    with DropFolder(tmp_path) as folder:
        assert sorted(folder.present()) == ["a.wav", "c.wav"]
