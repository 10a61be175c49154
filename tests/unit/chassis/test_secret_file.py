"""A file of secrets that is away: who comes in new, and who is in already."""

from collections.abc import Sequence
from pathlib import Path

from steno.secret_file import Fault, Line, SecretFile


def names(lines: Sequence[Line]) -> tuple[list[str], list[Fault]]:
    return [line.fields[0] for line in lines], []


def test_nobody_comes_in_by_a_file_that_is_away(tmp_path: Path) -> None:
    """What the file held opens nothing while it is not there, and again once it is back."""
    path = tmp_path / "file"
    path.write_text("a\n")
    file = SecretFile(path, names, what="file")
    path.rename(tmp_path / "aside")
    assert file.current() == []
    (tmp_path / "aside").rename(path)
    assert file.current() == ["a"]


def test_a_file_that_is_away_for_a_moment_throws_nobody_out(tmp_path: Path) -> None:
    """For those who are in, it holds for ten seconds what it held; then nothing."""
    now = 0.0
    path = tmp_path / "file"
    path.write_text("a\n")
    file = SecretFile(path, names, what="file", monotonic=lambda: now)
    path.unlink()
    assert file.current_or_recent() == ["a"]
    now = 9.9
    assert file.current_or_recent() == ["a"]
    now = 10.0
    assert file.current_or_recent() == []


def test_a_file_that_comes_back_changed_counts_at_once(tmp_path: Path) -> None:
    """The time it was away is forgotten when it is back."""
    path = tmp_path / "file"
    path.write_text("a\n")
    file = SecretFile(path, names, what="file")
    path.unlink()
    assert file.current_or_recent() == ["a"]
    path.write_text("b\n")
    assert (file.current_or_recent(), file.current()) == (["b"], ["b"])
