"""Whether five hundred calls that begin within ten seconds are all taken.

A generator begins fifty two-channel calls a second at a whole suite whose engine takes no time, and plays them all. A call that
is refused is begun again, as peers do that ask again; some protocols' peers do not (Twilio), so each refusal is a call lost.

Aim: no refusal, and all calls play within three seconds of the last start.

`python benchmarks/live_starts.py [CALLS]`
"""

import asyncio
import os
import sys
import time

from live_load import CallsDoNotBegin, generator_for, suite_without_engine
from measured import report

CALLS, STARTS_A_SECOND = 500, 50
GRACE_SECONDS = 3


async def main() -> None:
    """Begins the calls, once the suite is warm."""
    calls = int(sys.argv[1]) if len(sys.argv) > 1 else CALLS
    async with suite_without_engine() as (suite, _), generator_for(suite, starts_a_second=STARTS_A_SECOND) as generator:
        await generator.play(1)
        began = time.monotonic()
        try:
            await generator.play(calls)
        except CallsDoNotBegin as error:
            print(error)
        taken = time.monotonic() - began
        second = await generator.second()
    refused = sum(second.lost.values())
    load = os.getloadavg()[0]
    print(f"{second.calls} of {calls} calls play after {taken:.1f} s; refused or cut off: {second.lost}; load {load:.1f}")
    report(
        "live_starts_seconds",
        value=taken,
        unit="seconds until all calls play",
        limit=calls / STARTS_A_SECOND + GRACE_SECONDS,
        higher_is_better=False,
        beside=f"the aim: {calls} calls begun at {STARTS_A_SECOND} a second",
    )
    report(
        "live_starts_taken",
        value=calls / (calls + refused),
        unit="share of the calls that are taken at once",
        limit=1.0,
        higher_is_better=True,
        beside="the aim: none is refused",
    )


if __name__ == "__main__":
    asyncio.run(main())
