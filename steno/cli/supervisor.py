"""Starts programs, restarts them when they end, and stops them in order.

A program that ends is restarted at once. One that keeps ending soon after its start is restarted later each time, up to
`LONGEST_WAIT`, so that a wrong setting does not use up a core.
"""

import asyncio
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import structlog

from steno import private_files

log = structlog.get_logger("steno.supervisor")

FIRST_WAIT = 0.1
LONGEST_WAIT = 10.0
_STEADY_SECONDS = 20.0
_LOG_BYTES = 20_000_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Program:
    """A program to keep running."""

    name: str
    argv: Sequence[str]
    env: Mapping[str, str]
    #: Takes what the program writes; moved aside to `.1` at a start when it has grown past 20 MB.
    log_path: Path
    #: How long it may take to end after SIGTERM before it is killed.
    stop_seconds: float


class Supervisor:
    """Keeps programs running until `stop`. `changed` is called whenever a process id changes."""

    def __init__(self, changed: Callable[[], None]) -> None:
        self._changed = changed
        self._keepers: dict[str, asyncio.Task[None]] = {}
        self._processes: dict[str, asyncio.subprocess.Process] = {}
        self._stop_seconds: dict[str, float] = {}
        self.restarts: dict[str, int] = {}

    def pid(self, name: str) -> int | None:
        """The process id of a program; None while it is being started."""
        process = self._processes.get(name)
        return process.pid if process is not None and process.returncode is None else None

    async def start(self, program: Program) -> None:
        """Starts a program and keeps it running; returns once its process exists."""
        await self._spawn(program)
        self._stop_seconds[program.name] = program.stop_seconds
        self._keepers[program.name] = asyncio.create_task(self._keep_running(program), name=f"keep {program.name}")

    async def stop(self, names: Sequence[str]) -> None:
        """Ends programs side by side: SIGTERM, and SIGKILL for one that takes too long."""
        await asyncio.gather(*(self._stop_one(name) for name in names if name in self._keepers))

    async def _keep_running(self, program: Program) -> None:
        wait = FIRST_WAIT
        while True:
            started = time.monotonic()
            status = await self._processes[program.name].wait()
            if time.monotonic() - started > _STEADY_SECONDS:
                wait = FIRST_WAIT
            self.restarts[program.name] = self.restarts.get(program.name, 0) + 1
            log.warning(
                "program.ended", program=program.name, status=status, restart_in_seconds=wait, log=str(program.log_path)
            )
            self._changed()
            await asyncio.sleep(wait)
            wait = min(wait * 2, LONGEST_WAIT)
            await self._spawn(program)

    async def _spawn(self, program: Program) -> None:
        if program.log_path.exists() and program.log_path.stat().st_size > _LOG_BYTES:
            program.log_path.replace(program.log_path.with_suffix(".log.1"))
        with open(program.log_path, "ab", opener=private_files.opener) as output:  # noqa: ASYNC230 - of this disk, at a start
            self._processes[program.name] = await asyncio.create_subprocess_exec(
                *program.argv,
                env=dict(program.env),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=asyncio.subprocess.STDOUT,
                # A Ctrl-C at the terminal is for the supervisor, which stops the programs in order.
                start_new_session=True,
            )
        self._changed()

    async def _stop_one(self, name: str) -> None:
        keeper = self._keepers.pop(name)
        keeper.cancel()
        process = self._processes[name]
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
            try:
                async with asyncio.timeout(self._stop_seconds[name]):
                    await process.wait()
            except TimeoutError:
                log.error("program.killed", program=name, after_seconds=self._stop_seconds[name])
                process.kill()
                await process.wait()
        await asyncio.gather(keeper, return_exceptions=True)
