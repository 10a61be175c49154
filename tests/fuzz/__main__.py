"""`make fuzz`: puts inputs to all targets for a time, and says which of them broke one.

`python -m fuzz [--seconds 600] [--seed N] [--target NAME …] [--number N]`, in the folder `tests`. With a number, that one
input is put to its target in this very process.
"""

import argparse
import random
import sys

from fuzz.run import be_quiet, chance_of, isolated
from fuzz.table import TARGETS


def main() -> int:
    """Gives 1 where something was found."""
    parser = argparse.ArgumentParser(prog="fuzz")
    parser.add_argument("--seconds", type=float, default=600, help="for all targets together")
    parser.add_argument("--seed", type=int, default=random.randrange(1_000_000_000))
    parser.add_argument("--target", nargs="*", choices=sorted(TARGETS), default=sorted(TARGETS), metavar="NAME")
    parser.add_argument("--number", type=int, help="one input again, by its number")
    asked = parser.parse_args()
    if asked.number is not None:
        (name,) = asked.target
        target = TARGETS[name]
        given = target.known[-1] if asked.number < 0 else target.make(chance_of(target, asked.seed, asked.number))
        print(repr(given))
        be_quiet()
        target.put(given)
        return 0
    print(f"seed {asked.seed}, {asked.seconds:.0f} s for {len(asked.target)} targets")
    broken = []
    for name in asked.target:
        found, inputs = isolated(name, seed=asked.seed, seconds=asked.seconds / len(asked.target))
        print(f"{name}: {inputs} inputs{'' if not found else f', {len(found)} kinds of them broke it'}", flush=True)
        for finding in found:
            print(f"  {finding}", flush=True)
        broken += [name] if found else []
    if broken:
        print(f"seed {asked.seed} broke {len(broken)} of {len(asked.target)} targets: {', '.join(broken)}; look above for how")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
