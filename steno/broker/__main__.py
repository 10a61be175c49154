"""The commands `python -m steno.broker fetch`, which fetches Kafka's jars, and `python -m steno.broker lock`, which pins them.

`fetch` also starts Kafka once, to fill Java's start-up cache, which halves the work of later starts.
"""

import sys

from steno.broker.errors import BrokerError
from steno.broker.jars import LOCK_FILE, fetch, write_lock
from steno.broker.startup_training import make_startup_cache


def main(arguments: list[str]) -> str | None:
    """Runs a command; returns an error message for standard error and the exit status, or None."""
    try:
        match arguments:
            case ["fetch"]:
                jars = fetch(progress=_show)
                print(f"{len(jars)} jars of Kafka are there, every digest right, in {jars[0].parent}")  # noqa: T201
                _make_startup_cache()
            case ["lock"]:
                print(f"{len(write_lock())} jars pinned in {LOCK_FILE}")  # noqa: T201
            case _:
                return __doc__
    except BrokerError as error:
        return str(error)
    return None


def _make_startup_cache() -> None:
    try:
        make_startup_cache()
    except BrokerError as error:  # who uses a cluster elsewhere needs no broker that runs here
        print(f"brokers start without a cache: {error}", file=sys.stderr)  # noqa: T201


def _show(done: int, total: int) -> None:
    """Shows the progress in one line that is overwritten, on a terminal only."""
    if sys.stderr.isatty():
        print(f"Kafka's jars: {done / 1e6:.0f} of {total / 1e6:.0f} MB", end="\r", file=sys.stderr)  # noqa: T201


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
