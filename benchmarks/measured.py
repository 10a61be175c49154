"""What the benchmarks share: a suite to measure, and the one JSON line each ends with."""

import json
import os
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from steno.cli import api
from steno.cli.api import Api
from steno.cli.suite import Suite

SAMPLES = sorted((Path(__file__).parents[1] / "samples").glob("*.wav"))


@asynccontextmanager
async def measured_suite() -> AsyncIterator[tuple[Suite, Api]]:
    """A suite on a folder that is thrown away, and its REST API."""
    # As anywhere it is installed, its programs are compiled once, not at each start.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    with tempfile.TemporaryDirectory(prefix="steno-bench-") as folder:
        suite = Suite(Path(folder), allow_loopback_webhooks=True)
        try:
            await suite.start(lambda step: None)
            async with api.connect_api(api.find_api(suite.data)) as client:
                yield suite, client
        finally:
            await suite.stop()


def quantile(values: Sequence[float], share: float) -> float:
    """The value that so much of all do not exceed."""
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def report(name: str, *, value: float, unit: str, limit: float, higher_is_better: bool, beside: str) -> None:
    """Prints the result. `ratio` is value to limit; `beside` says what the limit is, measured in this run or aimed at."""
    result = {
        "name": name,
        "value": round(value, 4),
        "unit": unit,
        "limit": round(limit, 4),
        "ratio": round(value / limit, 4) if limit else None,
        "better": "higher" if higher_is_better else "lower",
        "limit_is": beside,
    }
    print(json.dumps(result), flush=True)
