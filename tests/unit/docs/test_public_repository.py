"""What every file of the repository keeps to."""

import re
import subprocess
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
MOST_LINES = 500
# Put together here, so that this file does not hold them itself.
REGISTRY_HOSTS = (
    "py" + r"pi\.org",
    "python" + r"hosted\.org",
    "npm" + r"js\.(org|com)",
    r"crates\." + "io",
    r"proxy\.golang\." + "org",
)
MACHINE_PATHS = ("/wo" + "rk/", "/ro" + "ot/", "/ho" + r"me/\w", "/tm" + "p/brief")


@cache
def tracked() -> tuple[Path, ...]:
    """Every text file that the repository holds."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True, timeout=30).stdout.decode()
    paths = (ROOT / name for name in listed.split("\0") if name)
    return tuple(path for path in paths if path.is_file() and not path.is_symlink() and b"\0" not in path.read_bytes()[:8000])


def lines_with(pattern: str) -> list[str]:
    """Where a pattern stands in the repository."""
    wanted = re.compile(pattern)
    return [
        f"{path.relative_to(ROOT)}:{number}"
        for path in tracked()
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1)
        if wanted.search(line)
    ]


@pytest.mark.parametrize("host", REGISTRY_HOSTS)
def test_no_file_names_a_package_registry(host: str) -> None:
    """Where packages come from is the business of whoever installs them."""
    assert lines_with(host) == []


@pytest.mark.parametrize("path", MACHINE_PATHS)
def test_no_file_names_a_path_of_one_machine(path: str) -> None:
    """The repository works wherever it is put."""
    assert lines_with(rf"(?<![\w.}}]){path}") == []


def test_no_file_holds_both_sides_of_a_merge() -> None:
    """Two changes of one place were put together by a person."""
    assert lines_with("^(<{7}|>{7}) ") == []


def test_no_two_decisions_have_one_number() -> None:
    """Each begins with its number, in its name and in its heading."""
    decisions = sorted((ROOT / "docs/decisions").glob("[0-9]*.md"))
    assert [path.name[:4] for path in decisions] == [f"{number:04}" for number in range(1, len(decisions) + 1)]
    assert [path.name for path in decisions if not path.read_text("utf-8").startswith(f"# {path.name[:4]}: ")] == []


def test_every_python_module_says_what_it_is() -> None:
    """A module that holds anything has a docstring."""
    modules = [path for path in tracked() if path.suffix == ".py" and path.read_text("utf-8").strip()]
    assert modules
    # Compiled, not parsed to a tree: where a traceback is formatted meanwhile, Python 3.11 fails to make one (gh-106905).
    silent = [path for path in modules if "__doc__" not in compile(path.read_bytes(), str(path), "exec").co_names]
    assert [str(path.relative_to(ROOT)) for path in silent] == []


def test_no_module_is_too_long_to_read() -> None:
    """A module of more than 500 lines holds more than one idea."""
    long = [path for path in tracked() if path.suffix == ".py" and len(path.read_text("utf-8").splitlines()) > MOST_LINES]
    assert [str(path.relative_to(ROOT)) for path in long] == []
