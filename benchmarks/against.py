"""What a change costs: bulk throughput and live latency of this checkout beside another one's, in turns, on the same machine.

Aim: no more than 3 % worse than before. The two take turns, and who begins changes from round to round, so that what else the
machine does falls on both; of the rounds the median counts. Both must be installed (`make .venv/fetched`), each with its own
.venv; each runs its own benchmarks.

`python benchmarks/against.py BASE [--rounds 3] [--calls 50]`; BASE is the folder of the other checkout
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from measured import report

HERE = Path(__file__).parents[1]
MOST_WORSE = 0.03


def measured(checkout: Path, benchmark: str, *arguments: str) -> dict[str, tuple[float, bool]]:
    """What one benchmark of a checkout reports, by name: its value, and whether higher is better."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("STENO_", "KAFKA_", "PYTHON"))}
    kept = {name: value for name, value in os.environ.items() if name == "STENO_CACHE"}
    command = [str(checkout / ".venv/bin/python"), f"benchmarks/{benchmark}.py", *arguments]
    done = subprocess.run(command, cwd=checkout, env=clean | kept, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{benchmark} of {checkout} failed:\n{done.stderr[-3000:]}")
    results = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    return {result["name"]: (result["value"], result["better"] == "higher") for result in results}


def round_of(checkouts: Sequence[Path], calls: int) -> Mapping[Path, dict[str, tuple[float, bool]]]:
    """Each checkout's figures once, benchmark by benchmark in turns."""
    found: dict[Path, dict[str, tuple[float, bool]]] = {checkout: {} for checkout in checkouts}
    for benchmark, arguments in (("bulk", ()), ("live_latency", (str(calls),))):
        for checkout in checkouts:
            found[checkout] |= measured(checkout, benchmark, *arguments)
    return found


def worse_by(now: float, before: float, *, higher_is_better: bool) -> float:
    """The share by which a figure is worse than before; below nothing where it is better."""
    return before / now - 1 if higher_is_better else now / before - 1


def main() -> int:
    """Gives 1 where a figure is worse by more than the aim."""
    parser = argparse.ArgumentParser(prog="against")
    parser.add_argument("base", type=Path, help="the other checkout")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--calls", type=int, default=50, help="live calls at once")
    asked = parser.parse_args()
    base = asked.base.resolve()
    rounds = []
    for number in range(asked.rounds):
        order = (base, HERE) if number % 2 == 0 else (HERE, base)
        found = round_of(order, asked.calls)
        rounds.append(found)
        for name, (value, _) in found[HERE].items():
            print(
                f"round {number + 1}: {name} {value:.2f}, before {found[base][name][0]:.2f}; load {os.getloadavg()[0]:.1f}",
                flush=True,
            )
    worst = 0.0
    for name, (_, higher_is_better) in rounds[0][HERE].items():
        now = statistics.median(found[HERE][name][0] for found in rounds)
        before = statistics.median(found[base][name][0] for found in rounds)
        shares = [worse_by(found[HERE][name][0], found[base][name][0], higher_is_better=higher_is_better) for found in rounds]
        share = statistics.median(shares)
        worst = max(worst, share)
        print(f"{name}: worse by {share * 100:.1f} % (each round: {', '.join(f'{each * 100:.1f} %' for each in shares)})")
        report(
            f"{name}_against_before",
            value=now,
            unit="as before",
            limit=before,
            higher_is_better=higher_is_better,
            beside=f"the same benchmark of {base.name}, in turns, median of {asked.rounds} rounds",
        )
    return 1 if worst > MOST_WORSE else 0


if __name__ == "__main__":
    sys.exit(main())
