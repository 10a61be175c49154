"""The number of examples of property tests: seconds of work in `make test`, minutes in `make soak`."""

import os

EFFORT = int(os.environ.get("TEST_EFFORT", "1"))
"""The factor for the number of examples; `make soak` sets it."""


def examples(number: int) -> int:
    """Returns the number of examples, given the number in `make test`."""
    return number * EFFORT
