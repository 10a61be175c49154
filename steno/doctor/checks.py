"""Runs checks side by side, each bounded in time."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace

from steno.doctor.findings import Finding, error
from steno.errors import StenoError

_SECONDS = 15.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Check:
    """One check. `run` returns what it found, at least one finding."""

    name: str
    run: Callable[[], Awaitable[Sequence[Finding]]]
    #: How long it may take; then that is the finding.
    seconds: float = _SECONDS


async def run_checks(checks: Sequence[Check]) -> list[Finding]:
    """Runs all checks and returns their findings, in the order of the checks. A check that fails is a finding, too."""
    return [finding for found in await asyncio.gather(*map(_run, checks)) for finding in found]


async def _run(check: Check) -> list[Finding]:
    try:
        async with asyncio.timeout(check.seconds):
            found = await check.run()
    except TimeoutError:
        found = [
            error(check.name, f"there was no answer within {check.seconds:g} s", "see whether what it asks is up and reachable")
        ]
    except (StenoError, OSError) as failure:
        found = [error(check.name, str(failure) or type(failure).__name__, "mend this, and run `steno doctor` again")]
    except Exception as failure:  # noqa: BLE001 - what one check cannot do must not hide what the others found
        found = [
            error(check.name, f"the check itself failed: {type(failure).__name__}: {failure}", "report this as a bug of Steno")
        ]
    return [replace(finding, check=check.name) for finding in found]
