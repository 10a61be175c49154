"""`python -m steno.broker fetch` fetches Kafka's jars ahead of time; `python -m steno.broker lock` pins them anew."""

import sys

from steno.broker.errors import BrokerError
from steno.broker.jars import LOCK_FILE, fetch, write_lock


def main(arguments: list[str]) -> str | None:
    """Does what it is told, and returns what went wrong, for the exit status and standard error."""
    try:
        match arguments:
            case ["fetch"]:
                print(*fetch(), sep="\n")  # noqa: T201
            case ["lock"]:
                print(f"{len(write_lock())} jars pinned in {LOCK_FILE}")  # noqa: T201
            case _:
                return __doc__
    except BrokerError as error:
        return str(error)
    return None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
