"""Every parser of what comes from outside stands a thousand inputs that nobody would send who means well.

The same thousand each time; `make fuzz` puts others to them for as long as one likes.
"""

import pytest
from fuzz.run import Finding, findings, isolated
from fuzz.table import TARGETS

SEED, INPUTS = 20_260_301, 1000

NATIVE = frozenset({"recordings"})
"""Those whose parser is no Python: what goes wrong there may end the process."""


@pytest.mark.parametrize("name", sorted(TARGETS.keys() - NATIVE))
def test_parsers(name: str) -> None:
    """Nothing leaves a parser but its own errors, in time, in bounded memory, and its effects stay in range."""
    found = [step for step in findings(TARGETS[name], seed=SEED, count=INPUTS) if isinstance(step, Finding)]
    assert not found, "\n".join(str(finding)[:1500] for finding in found[:3])


@pytest.mark.parametrize("name", sorted(NATIVE))
def test_native_parsers(name: str) -> None:
    """The same of what is no Python."""
    found, inputs = isolated(name, seed=SEED, count=INPUTS)
    assert not found, "\n".join(str(finding)[:1500] for finding in found[:3])
    assert inputs == INPUTS
