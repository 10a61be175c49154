"""The pages that are made from the code are what the code makes."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]


def test_generated_pages_are_up_to_date() -> None:
    """Topics, settings, REST and metrics are described as they are."""
    command = [sys.executable, "docs/generate.py", "--check"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=100)
    assert result.returncode == 0, result.stdout + result.stderr


def test_no_variable_is_left_out() -> None:
    """What the command line and the local broker read from the environment stands in the settings page too."""
    page = (ROOT / "docs/settings.md").read_text("utf-8")
    named = {
        variable
        for folder in ("steno/cli", "steno/broker", "services/transcriber/steno_transcriber/models")
        for path in (ROOT / folder).glob("*.py")
        for variable in re.findall(r"\bSTENO_(?:UP|BROKER|CACHE)\w*", path.read_text("utf-8"))
    }
    assert "STENO_CACHE" in named
    assert {variable for variable in named if f"`{variable}`" not in page} == set()
