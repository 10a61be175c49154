"""How long property tests look: for seconds in `make test`, for minutes in `make soak`."""

import os

EFFORT = int(os.environ.get("TEST_EFFORT", "1"))
"""How many times as long; `make soak` sets it."""


def examples(number: int) -> int:
    """So many examples in `make test`."""
    return number * EFFORT
