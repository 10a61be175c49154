"""What of an exception is written into a log."""

import logging
from collections.abc import Iterator
from typing import Literal

import pytest
import structlog

from steno.settings import TelemetrySettings
from steno.telemetry import logs


@pytest.fixture
def logging_put_back() -> Iterator[None]:
    """What a process configures once for its life is undone."""
    root, own = logging.getLogger(), logging.getLogger("steno")
    handlers, levels, configured = root.handlers[:], (root.level, own.level), structlog.get_config()
    yield
    root.handlers[:] = handlers
    root.setLevel(levels[0])
    own.setLevel(levels[1])
    structlog.configure(**configured)


@pytest.mark.usefixtures("logging_put_back")
@pytest.mark.parametrize("log_format", ["json", "console"])
def test_a_logged_exception_shows_no_values(log_format: Literal["json", "console"], capsys: pytest.CaptureFixture[str]) -> None:
    """A traceback names the function and the error, and not what a variable held: it may be a key, or what was said."""
    logs.configure(TelemetrySettings(log_format=log_format), "ingest")

    def failing(key: str) -> None:
        raise OSError(f"there is no such key{key[:0]}")

    try:
        failing("".join(("what was", " said")))
    except OSError as error:
        structlog.get_logger("steno.test").error("key.refused", exc_info=error)
    logged = capsys.readouterr().err
    assert "there is no such key" in logged
    assert "failing" in logged
    assert "what was said" not in logged
