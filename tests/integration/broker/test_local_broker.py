"""One real broker: started, stopped, killed, started again."""

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest
from aiokafka import AIOKafkaProducer
from support.kafka import create_topic, read_all

from steno.broker import BrokerFailed, DataFolderInUse, LocalBroker, LocalCluster, prepare
from steno.broker.data import BrokerCommand


@pytest.fixture
async def kafka_of_its_own() -> AsyncIterator[LocalCluster]:
    """A broker that the test may do anything to."""
    async with LocalCluster() as cluster:
        yield cluster


async def produce(servers: str, topic: str, values: list[bytes]) -> None:
    async with AIOKafkaProducer(bootstrap_servers=servers, acks="all", enable_idempotence=True) as producer:
        for sent in [await producer.send(topic, value, partition=0) for value in values]:
            await sent


async def test_records_outlive_a_stop_and_a_kill(tmp_path: Path) -> None:
    """On the same folder the broker comes back at the same address with all records, after a stop and after kill -9."""
    cluster = LocalCluster(tmp_path / "data")
    await cluster.start()
    try:
        address = cluster.bootstrap_servers
        await create_topic(address, "kept")
        await produce(address, "kept", [b"before the stop"])
        await cluster.stop()
        assert cluster.pids == ()
        await cluster.start()
        assert cluster.bootstrap_servers == address
        await produce(address, "kept", [b"before the kill"])
        await cluster.kill()
        assert cluster.pids == ()
        await cluster.start()
        assert cluster.bootstrap_servers == address
        assert [record.value for record in await read_all(address, "kept")] == [b"before the stop", b"before the kill"]
        files = [tmp_path / "data", *(tmp_path / "data").rglob("*")]
        assert [path for path in files if path.stat().st_mode & 0o077] == [], "what is said in calls is for this user alone"
    finally:
        await cluster.kill()


async def test_a_folder_has_one_broker(tmp_path: Path) -> None:
    """A second start on the folder is refused by name and number, prepared before or not; the first goes on."""
    command = await asyncio.to_thread(prepare, tmp_path / "data")
    first, second = LocalBroker(command), LocalBroker(command)
    await first.start()
    try:
        expected = rf"{tmp_path / 'data' / '1'} is in use by process {first.pid}; stop that one first"
        with pytest.raises(DataFolderInUse, match=expected):
            await second.start()
        with pytest.raises(DataFolderInUse, match=expected):
            await LocalCluster(tmp_path / "data").start()
        await create_topic(command.bootstrap_servers, "still-there")
    finally:
        await first.kill()


async def test_a_broker_that_cannot_start_says_why_at_once(tmp_path: Path) -> None:
    """The end of the process is noticed long before the deadline, and the error ends with the broker's own words."""
    command = await asyncio.to_thread(prepare, tmp_path / "data")
    properties = tmp_path / "data" / "1" / "server.properties"
    properties.write_text(properties.read_text().replace("node.id=1", "node.id=none"))
    async with asyncio.timeout(15):
        with pytest.raises(BrokerFailed, match=r"(?s)broker 1 ended with status 1\n--- the end of .*Not a number"):
            await LocalBroker(command).start(timeout_seconds=60)


async def test_a_paused_broker_does_not_answer_and_goes_on_when_resumed(kafka_of_its_own: LocalCluster) -> None:
    """SIGSTOP holds a send up; SIGCONT lets the very same send through."""
    (broker,) = kafka_of_its_own.brokers
    await create_topic(broker.address, "paused")
    async with AIOKafkaProducer(bootstrap_servers=broker.address, acks="all") as producer:
        await producer.send_and_wait("paused", b"before")
        broker.pause()
        sent = await producer.send("paused", b"during")
        done, _ = await asyncio.wait({sent}, timeout=0.3)
        assert not done
        broker.resume()
        await sent
    assert [record.value for record in await read_all(broker.address, "paused")] == [b"before", b"during"]


async def test_a_thrown_away_folder_is_gone_after_the_stop(kafka_of_its_own: LocalCluster) -> None:
    """Without a folder given, nothing is left on the disk."""
    folder = kafka_of_its_own.brokers[0].log_path.parent.parent
    assert folder.is_dir()
    await kafka_of_its_own.stop()
    assert not folder.exists()
    assert kafka_of_its_own.pids == ()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child of its parent's end")
async def test_a_killed_supervisor_leaves_no_broker_behind(tmp_path: Path) -> None:
    """kill -9 of the process that started it ends the broker, and its folder is free for the next one."""
    program = (
        "import asyncio, sys\n"
        "from pathlib import Path\n"
        "from steno.broker import LocalBroker, prepare\n"
        "async def main():\n"
        "    broker = LocalBroker(prepare(Path(sys.argv[1])))\n"
        "    await broker.start()\n"
        "    print(broker.pid, flush=True)\n"
        "    await asyncio.Event().wait()\n"
        "asyncio.run(main())\n"
    )
    supervisor = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, str(tmp_path), stdout=asyncio.subprocess.PIPE
    )
    try:
        assert supervisor.stdout is not None
        broker = psutil.Process(int(await supervisor.stdout.readline()))
        assert broker.name() == "java"
    finally:
        supervisor.kill()
        await supervisor.wait()
    gone, _ = await asyncio.to_thread(psutil.wait_procs, [broker], timeout=10)
    assert gone
    assert isinstance(await asyncio.to_thread(prepare, tmp_path), BrokerCommand)
