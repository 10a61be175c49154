"""A smallest service, run as a process by the tests: `python service_process.py [fail|fail-late|hang]`."""

import asyncio
import sys
from typing import ClassVar

from pydantic_settings import SettingsConfigDict

from steno.chassis import Wiring, run
from steno.settings import ServiceSettings
from steno.telemetry import traces


class SmallSettings(ServiceSettings):
    """Settings of the smallest service."""

    model_config = SettingsConfigDict(env_prefix="STENO_INGEST_")
    service: ClassVar[str] = "ingest"


class Worker:
    """Works until stopped, or does what it was told to do wrong."""

    def __init__(self, fault: str) -> None:
        self._fault = fault
        self._stopped = asyncio.Event()

    async def run(self) -> None:
        """Works."""
        if self._fault == "fail":
            raise RuntimeError("the worker broke")
        with traces.span("work"):
            await self._stopped.wait()
        if self._fault == "fail-late":
            raise RuntimeError("the worker broke while it was drained")
        print("drained", flush=True)

    async def stop(self) -> None:
        """Stops, unless told to hang."""
        if self._fault == "hang":
            await asyncio.sleep(3600)
        self._stopped.set()


async def build(_settings: SmallSettings) -> Wiring:
    """Wires the worker."""
    wiring = Wiring(components=[Worker((sys.argv[1:] or [""])[0])])
    wiring.health.add_readiness("always", lambda: True)
    return wiring


if __name__ == "__main__":
    sys.exit(run(SmallSettings, build))
