"""What `make` sets up."""

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


@pytest.mark.skipif(shutil.which("make") is None, reason="there is no make here")
@pytest.mark.parametrize("target", ["run", "test", "bench"])
def test_what_was_fetched_is_looked_for_each_time(target: str) -> None:
    """A cache may be emptied: what is not in it is fetched again, before a program misses it."""
    planned = subprocess.run(
        ["make", "--dry-run", target], cwd=ROOT, capture_output=True, text=True, timeout=30, check=True
    ).stdout
    assert "-m steno.broker fetch" in planned
    assert "models pull tiny.en" in planned
