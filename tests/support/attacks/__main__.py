"""Lets all attacks happen side by side for a time: `python -m support.attacks PLACE.json`. Prints what became of each, as JSON.

The process gives way to every other one: what is measured beside it is how well the suite keeps callers apart, and not how
two cores are shared between clients and servers.
"""

import asyncio
import json
import os
import sys
import time
from pathlib import Path
from random import Random

from fuzz.run import be_quiet
from support.attacks.field import TURNED_AWAY, Attack, Field, Place
from support.attacks.table import ATTACKS

_NICENESS = 15
_BEGIN_WITHIN_SECONDS = 3.0


async def attack(attack: Attack, place: Place, until: float) -> Field:
    """Strikes until the time is up; the first strike comes soon."""
    field = Field(place=place, chance=Random(f"{place.seed}/{attack.name}"))
    await asyncio.sleep(attack.from_second + field.chance.uniform(0, _BEGIN_WITHIN_SECONDS))
    while field.strikes == 0 or time.monotonic() < until:
        try:
            await attack.strike(field)
        except TURNED_AWAY as error:
            field.tally[type(error).__name__] += 1
        field.strikes += 1
        await asyncio.sleep(field.chance.uniform(0.5, 1.5) * attack.pause_seconds)
    return field


async def main() -> None:
    """All of them."""
    place = Place.read(Path(sys.argv[1]))
    until = time.monotonic() + place.seconds
    fields = await asyncio.gather(*(attack(each, place, until) for each in ATTACKS))
    told = {each.name: {"strikes": field.strikes, **field.tally} for each, field in zip(ATTACKS, fields, strict=True)}
    print(json.dumps(told))


if __name__ == "__main__":
    os.nice(_NICENESS)
    be_quiet()
    asyncio.run(main())
