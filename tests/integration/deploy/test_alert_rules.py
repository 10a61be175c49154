"""The alert rules, by Prometheus' own tool."""

import shutil
import subprocess

import pytest
from support.watching import RULE_TESTS, RULES

PROMTOOL = shutil.which("promtool")

pytestmark = pytest.mark.skipif(PROMTOOL is None, reason="there is no promtool (Debian package prometheus)")


def promtool(*arguments: str) -> None:
    """Runs it; fails with what it says."""
    done = subprocess.run([str(PROMTOOL), *arguments], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_prometheus_takes_the_rules() -> None:
    """They are valid, and no two are the same."""
    promtool("check", "rules", "--lint=all", "--lint-fatal", str(RULES))


def test_rules_fire_and_stay_quiet_on_recorded_series() -> None:
    """Each fires on what it is for, with a summary for a person, and not on what comes close to it."""
    promtool("test", "rules", str(RULE_TESTS))
