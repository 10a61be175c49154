"""The supervisor keeps programs running."""

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from steno.cli.supervisor import Program, Supervisor

SLEEPER = "import time; print('up', flush=True); time.sleep(60)"
STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"


def program(folder: Path, code: str, *, stop_seconds: float = 10) -> Program:
    """A program of a line of Python."""
    return Program(
        name="sleeper",
        argv=(sys.executable, "-c", code),
        env=dict(os.environ),
        log_path=folder / "sleeper.log",
        stop_seconds=stop_seconds,
    )


async def until(condition: Callable[[], bool]) -> None:
    """Waits, at most ten seconds, for something a process does."""
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.01)


async def test_a_killed_program_is_running_again_within_a_second(tmp_path: Path) -> None:
    """kill -9 costs a second at the most."""
    supervisor = Supervisor(lambda: None)
    await supervisor.start(program(tmp_path, SLEEPER))
    first = supervisor.pid("sleeper")
    assert first is not None
    os.kill(first, signal.SIGKILL)
    async with asyncio.timeout(1):
        while supervisor.pid("sleeper") in (None, first):
            await asyncio.sleep(0.01)
    await supervisor.stop(["sleeper"])


async def test_a_program_that_ignores_sigterm_is_killed(tmp_path: Path) -> None:
    """Stopping is bounded in time."""
    supervisor = Supervisor(lambda: None)
    started = program(tmp_path, STUBBORN, stop_seconds=0.2)
    await supervisor.start(started)
    await until(lambda: "up" in started.log_path.read_text())
    await supervisor.stop(["sleeper"])
    assert supervisor.pid("sleeper") is None


async def test_a_program_that_keeps_ending_waits_longer_each_time(tmp_path: Path) -> None:
    """A broken setting does not burn a core."""
    supervisor = Supervisor(lambda: None)
    await supervisor.start(program(tmp_path, "raise SystemExit(3)"))
    await until(lambda: supervisor.restarts.get("sleeper", 0) >= 3)
    await supervisor.stop(["sleeper"])
    assert supervisor.restarts["sleeper"] < 6


async def test_every_change_of_a_process_id_is_told(tmp_path: Path) -> None:
    """run.json is never older than the processes."""
    told: list[int | None] = []
    supervisor = Supervisor(lambda: told.append(supervisor.pid("sleeper")))
    await supervisor.start(program(tmp_path, SLEEPER))
    first = supervisor.pid("sleeper")
    assert first is not None
    os.kill(first, signal.SIGKILL)
    await until(lambda: len(told) >= 3)
    await supervisor.stop(["sleeper"])
    assert told[0] == first
    assert told[-1] not in (None, first)
