"""The pages that are made from the code are what the code makes."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]


def test_generated_pages_are_up_to_date() -> None:
    """Topics, settings, REST and metrics are described as they are."""
    command = [sys.executable, "docs/generate.py", "--check"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=100)
    assert result.returncode == 0, result.stdout + result.stderr
