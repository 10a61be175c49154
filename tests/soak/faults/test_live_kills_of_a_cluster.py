"""Live calls go on whatever is killed or frozen, on three brokers with two workers: finals are those of an undisturbed run."""

from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from support.live_faults import freeze, survive, undisturbed
from support.service_process import ServiceProcess
from support.suite import SuiteUnderTest, running_suite

from steno.broker import LocalCluster

SCRIPTED = {"STENO_TRANSCRIBER_ENGINE": "scripted", "STENO_INGEST_SECOND_PASS": "false"}


@pytest.mark.timeout(400)
async def test_twenty_live_calls_survive_a_kill_of_everything(tmp_path: Path) -> None:
    """One of two workers killed, one frozen past its session, ingest, enricher and a broker of three killed, in any order."""
    async with AsyncExitStack() as stack:
        cluster = await stack.enter_async_context(LocalCluster(brokers=3))
        environment = SCRIPTED | {"KAFKA_BOOTSTRAP_SERVERS": cluster.bootstrap_servers}
        suite = await stack.enter_async_context(running_suite(tmp_path / "data", environment))
        other = await stack.enter_async_context(_second_worker(suite, tmp_path))
        await other.ready()
        calm = await undisturbed(suite)

        async def kill_other_worker() -> None:
            await other.kill()
            await other.start()

        async def kill_broker() -> None:
            # Not the one that everything is bootstrapped from: that it is named first says nothing else of it.
            await cluster.brokers[1].kill()
            await cluster.brokers[1].start()

        await survive(
            suite,
            calm,
            {
                "kill one of two workers": lambda: suite.kill("transcriber"),
                "kill the other worker": kill_other_worker,
                "freeze a worker past its session": lambda: freeze(other.pid),
                "kill ingest": lambda: suite.kill("ingest"),
                "kill the enricher": lambda: suite.kill("enricher"),
                "kill one of three brokers": kill_broker,
            },
        )
        assert other.running


def _second_worker(suite: SuiteUnderTest, folder: Path) -> ServiceProcess:
    return ServiceProcess(
        "transcriber",
        servers=suite.kafka,
        prefix="steno.",
        partitions=4,
        environment={
            **SCRIPTED,
            "STENO_TRANSCRIBER_INSTANCE": "1",
            "STENO_OBJECTS_URL": (suite.data / "objects").as_uri(),
            "STENO_TRANSCRIBER_TEMPORARY_FOLDER": str(folder),
        },
    )
