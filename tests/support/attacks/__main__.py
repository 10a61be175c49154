"""Runs all attacks concurrently for a time: `python -m support.attacks TARGET.json`. Prints the results of each, as JSON.

The process has a low priority, so that measurements show how well the suite isolates callers from each other, and not how two
cores are shared between clients and servers.
"""

import asyncio
import json
import os
import sys
import time
from pathlib import Path
from random import Random

from fuzz.run import be_quiet
from support.attacks.attack import EXPECTED_ERRORS, Attack, AttackRun, Target
from support.attacks.table import ATTACKS

_NICENESS = 15
_BEGIN_WITHIN_SECONDS = 3.0


async def attack(attack: Attack, target: Target, until: float) -> AttackRun:
    """Repeats an attack until the time is up; the first attempt comes soon."""
    run = AttackRun(target=target, chance=Random(f"{target.seed}/{attack.name}"))
    await asyncio.sleep(attack.from_second + run.chance.uniform(0, _BEGIN_WITHIN_SECONDS))
    while run.attempts == 0 or time.monotonic() < until:
        try:
            await attack.attempt(run)
        except EXPECTED_ERRORS as error:
            run.tally[type(error).__name__] += 1
        run.attempts += 1
        await asyncio.sleep(run.chance.uniform(0.5, 1.5) * attack.pause_seconds)
    return run


async def main() -> None:
    """Runs all attacks."""
    target = Target.read(Path(sys.argv[1]))
    until = time.monotonic() + target.seconds
    runs = await asyncio.gather(*(attack(each, target, until) for each in ATTACKS))
    results = {each.name: {"attempts": run.attempts, **run.tally} for each, run in zip(ATTACKS, runs, strict=True)}
    print(json.dumps(results))


if __name__ == "__main__":
    os.nice(_NICENESS)
    be_quiet()
    asyncio.run(main())
