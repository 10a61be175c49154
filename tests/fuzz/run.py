"""Puts inputs to targets, and looks at what follows: exceptions, time and memory.

An input is named by its target, a seed and a number: the three make it again. `isolated` runs a target in a process of its own
with a bound on its memory, so that an input that ends the process is found like any other.
"""

import contextlib
import itertools
import logging
import multiprocessing
import re
import resource
import time
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import Any

import av
import structlog
from fuzz.target import Target

MOST_MEMORY_BYTES = 4 << 30
"""Address space of a process that runs a target; what wants more has its MemoryError."""
MOST_GROWN_MB = 150
"""By which the most that the process ever held may grow with one input."""
_SHOWN = 2000
_MOST_TOLD = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """An input that broke a target."""

    target: str
    seed: int
    #: -1 where it is one of the known ones.
    number: int
    what: str
    input: str

    @property
    def kind(self) -> str:
        """What inputs that break it in the same way have in common."""
        return re.sub(r"[0-9]+", "0", self.what)

    def __str__(self) -> str:
        again = f"python -m fuzz --target {self.target} --seed {self.seed} --number {self.number}"
        return f"{self.target}: {self.what}\n  input: {self.input}\n  again: {again}"


def chance_of(target: Target, seed: int, number: int) -> Random:
    """What an input is made of."""
    return Random(f"{target.name}/{seed}/{number}")


def tried(target: Target, given: Any) -> str:
    """What is wrong with how a target takes an input; nothing where all is well."""
    held, began = _most_held_mb(), time.process_time()
    try:
        target.put(given)
    except Exception as error:  # noqa: BLE001 - it is what is looked for
        # The very class: a `UnicodeEncodeError` is a `ValueError`, too, and nobody's own.
        if type(error) in target.own:
            return ""
        where = traceback.extract_tb(error.__traceback__)[-1]
        return f"{type(error).__name__}: {str(error)[:300]} ({where.filename.rpartition('/')[2]}:{where.lineno})"
    taken, grown = time.process_time() - began, _most_held_mb() - held
    if taken > target.seconds:
        return f"took {taken:.2f} s"
    if grown > MOST_GROWN_MB:
        return f"took {grown:.0f} MB"
    return ""


def findings(target: Target, *, seed: int, count: int | None = None, seconds: float = float("inf")) -> Iterator[Finding | int]:
    """Puts inputs to a target: the known ones, then so many more, or as many as the time is long. Tells each number first."""
    for known in target.known:
        yield -1
        if what := tried(target, known):
            yield Finding(target=target.name, seed=seed, number=-1, what=what, input=_shown(known))
    until = time.monotonic() + seconds
    for number in range(count) if count is not None else itertools.count():
        if time.monotonic() > until:
            return
        yield number
        given = target.make(chance_of(target, seed, number))
        if what := tried(target, given):
            yield Finding(target=target.name, seed=seed, number=number, what=what, input=_shown(given))


def isolated(name: str, *, seed: int, count: int | None = None, seconds: float = float("inf")) -> tuple[list[Finding], int]:
    """Runs a target in a process of its own; gives what was found, each kind once, and how many inputs there were."""
    context = multiprocessing.get_context("spawn")
    progress = context.Value("q", -1, lock=False)
    mine, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_child, args=(name, seed, count, seconds, progress, theirs), daemon=True)
    process.start()
    theirs.close()
    found: list[Finding] = []
    with contextlib.suppress(EOFError):
        while True:
            found.append(mine.recv())
    process.join()
    if process.exitcode:
        what = f"ended the process (exit code {process.exitcode})"
        found.append(Finding(target=name, seed=seed, number=progress.value, what=what, input="make it again to see it"))
    return found, progress.value + 1


def _child(name: str, seed: int, count: int | None, seconds: float, progress: Any, pipe: Any) -> None:
    from fuzz.table import TARGETS

    be_quiet()
    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY_BYTES, MOST_MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    told: set[str] = set()
    for step in findings(TARGETS[name], seed=seed, count=count, seconds=seconds):
        if isinstance(step, int):
            progress.value = step
        elif step.kind not in told and len(told) < _MOST_TOLD:
            told.add(step.kind)
            pipe.send(step)


def be_quiet() -> None:
    """Nothing is logged: what a parser says of a million inputs is nobody's to read."""
    logging.disable(logging.CRITICAL)
    av.logging.set_level(av.logging.PANIC)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))


def _most_held_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000


def _shown(given: Any) -> str:
    told = repr(given)
    return told if len(told) <= _SHOWN else f"{told[:_SHOWN]}… ({len(told)} characters)"
