"""What the doctor finds on a real broker, and over real TLS."""

import asyncio
import json
import os
import ssl
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
from support.certificates import Authority
from support.kafka import create_topic
from support.kernel import CODEC, recording, running, until

from steno.doctor import tls
from steno.doctor.cluster_gathering import gather_cluster
from steno.doctor.databases import check_database
from steno.doctor.findings import Finding, Severity
from steno.doctor.kafka_check import kafka_checks
from steno.doctor.service_gathering import ask_deliveries, ask_ledger
from steno.events.catalogue import DEAD_LETTERS, PHRASES, RECORDINGS, topic_config
from steno.kafka import Cluster, Consumer, create_topics
from steno.kafka.errors import DuplicateInstance
from steno.kafka.messages import Message
from steno.settings import KafkaSettings, SchemaSettings, TopicSettings


async def nothing(_message: Message) -> None:
    """Handles a message."""


async def diagnosed(kafka: KafkaSettings, topics: TopicSettings, services: Sequence[str] = ()) -> list[Finding]:
    """What the check of Kafka finds."""
    return list(await kafka_checks(kafka, topics, SchemaSettings(), services)[0].run())


def worst(findings: Sequence[Finding], where: str) -> list[str]:
    """The warnings and errors about something."""
    return [finding.what for finding in findings if finding.where == where and finding.severity >= Severity.WARNING]


async def test_topics_unlike_the_catalogue_are_found(kafka: str, topic_prefix: str) -> None:
    """Other partitions, a shorter retention, and one that is missing; the broker's version knows what this user may do."""
    settings, topics = KafkaSettings(bootstrap_servers=kafka), TopicSettings(prefix=topic_prefix, partitions=2)
    await create_topic(kafka, topic_prefix + "phrases", partitions=3, configs=topic_config(PHRASES))
    await create_topic(
        kafka, topic_prefix + "recordings", partitions=2, configs={**topic_config(RECORDINGS), "retention.ms": "3600000"}
    )
    async with asyncio.timeout(20):  # until the broker knows both
        while sum(bool(topic.partitions) for topic in (await gather_cluster(settings, topics)).topics) < 2:
            await asyncio.sleep(0.05)
    findings = await diagnosed(settings, topics, ["ingest"])
    assert "3 partitions, and STENO_TOPIC_PARTITIONS is 2" in worst(findings, f"topic {topic_prefix}phrases")[0]
    assert "retention.ms is 3600000 (60 minutes)" in worst(findings, f"topic {topic_prefix}recordings")[0]
    assert worst(findings, f"topic {topic_prefix}transcripts") == ["it is missing"]
    facts = await gather_cluster(settings, topics)
    found = {topic.topic.name: topic for topic in facts.topics}
    assert found["phrases"].operations is not None
    assert {"Read", "Write", "Describe"} <= found["phrases"].operations
    assert not found["transcripts"].partitions, "to ask for a topic must not create it"
    assert all(disk.total and disk.usable for disk in facts.disks)
    assert facts.disks


async def test_lag_dead_letters_and_groups_without_members_are_found(kafka: str, topic_prefix: str) -> None:
    """What waits is counted from what was committed, by the time of the oldest record."""
    settings, topics = KafkaSettings(bootstrap_servers=kafka), TopicSettings(prefix=topic_prefix, partitions=2)
    await create_topics(settings, topics)
    cluster = Cluster.of(settings, topics, CODEC, service="ingest")
    handled: list[str | None] = []

    async def handle(message: Message) -> None:
        handled.append(message.key)

    await cluster.producer.send(RECORDINGS, recording("a"))
    async with running(Consumer(cluster, subscribe=[RECORDINGS], handler=handle, concurrency=1)):
        await until(lambda: handled == ["a"])
    await asyncio.gather(*(cluster.producer.send(RECORDINGS, recording("a")) for _ in range(3)))
    await cluster.producer.send_raw(DEAD_LETTERS, key=b"x", value=b"y", headers=[])
    findings = await diagnosed(settings, topics)
    await cluster.producer.stop()
    group = f"group {topic_prefix}ingest"
    # A static member that stopped is one until its session ends.
    (waiting,) = [finding.what for finding in findings if finding.where == group]
    assert waiting.startswith("1 member, 3 records wait, the oldest for ")
    assert worst(findings, f"group {topic_prefix}enricher") == ["no process of the enricher is a member of it"]
    assert worst(findings, "dead-letters") == ["1 record of the last day could not be processed"]
    (lag,) = [
        lag
        for entry in (await gather_cluster(settings, topics)).groups
        if entry.service == "ingest"
        for lag in entry.lags
        if lag.committed < lag.end
    ]
    assert lag.oldest is not None
    assert 0 <= (datetime.now(UTC) - lag.oldest).total_seconds() < 60


async def test_two_processes_with_one_instance_name_are_found(kafka: str, topic_prefix: str) -> None:
    """Each puts the other out, and is started again by its supervisor."""
    settings, topics = KafkaSettings(bootstrap_servers=kafka), TopicSettings(prefix=topic_prefix, partitions=2)
    await create_topics(settings, topics)
    cluster = Cluster.of(settings, topics, CODEC, service="ingest", instance="same")

    stopping = asyncio.Event()
    current: dict[int, Consumer] = {}

    async def supervised(number: int) -> None:
        while not stopping.is_set():
            current[number] = Consumer(cluster, subscribe=[RECORDINGS], handler=nothing, concurrency=1)
            with suppress(DuplicateInstance):
                await current[number].run()
            await asyncio.sleep(0.2)

    both = [asyncio.create_task(supervised(number)) for number in range(2)]
    group = f"group {topic_prefix}ingest"
    async with asyncio.timeout(30):
        while not any("two processes have this name" in what for what in worst(await diagnosed(settings, topics), group)):
            pass
    stopping.set()
    for consumer in current.values():
        await consumer.stop()
    await asyncio.gather(*both)
    await cluster.producer.stop()


async def test_a_broker_that_is_not_there_is_said_in_short_time() -> None:
    """With its address; nothing else is asked then."""
    findings = await diagnosed(KafkaSettings(bootstrap_servers="127.0.0.1:1,127.0.0.1:2"), TopicSettings())
    assert [(finding.where, finding.severity) for finding in findings] == [("127.0.0.1:1", 3), ("127.0.0.1:2", 3)]


async def test_a_wrong_authority_another_name_and_a_port_without_tls_are_told_apart(tmp_path: Path) -> None:
    """By what OpenSSL says of the handshake; a trusted certificate is judged by its end."""
    authority, now = Authority(tmp_path), datetime.now(UTC)
    (tmp_path / "other").mkdir()
    servers = [
        await asyncio.start_server(lambda _reader, writer: writer.close(), "127.0.0.1", 0, ssl=context)
        for context in (authority.server("127.0.0.1"), authority.server("elsewhere.example"), None)
    ]
    good, named, plain = (f"127.0.0.1:{server.sockets[0].getsockname()[1]}" for server in servers)
    trusting = ssl.create_default_context(cafile=str(authority.file))
    stranger = ssl.create_default_context(cafile=str(Authority(tmp_path / "other").file))

    async def found(address: str, context: ssl.SSLContext) -> str:
        (finding,) = await tls.probe(address, context, trusted="KAFKA_SSL_CAFILE", now=now)
        return f"{finding.severity.name} {finding.what} {finding.todo}"

    try:
        assert (await found(good, trusting)).startswith("WARNING the certificate ends on")
        assert "KAFKA_SSL_CAFILE" in await found(good, stranger)
        assert "for another name" in await found(named, trusting)
        assert (await found(plain, trusting)).startswith("ERROR no ")
    finally:
        for server in servers:
            server.close()
            await server.wait_closed()


async def test_a_database_on_postgresql_is_tried_with_rows_that_nobody_keeps(postgres_url: str) -> None:
    """Without tables it says which command makes them."""
    findings = await check_database("ingest", postgres_url)
    assert [finding.severity for finding in findings] == [Severity.ERROR, Severity.OK]
    assert "steno ingest migrate" in findings[0].todo
    again = await check_database("ingest", postgres_url)
    assert again == findings
    (gone,) = await check_database("ingest", postgres_url + "-none")
    assert gone.severity == Severity.ERROR


def test_settings_that_are_missing_or_wrong_are_findings(tmp_path: Path) -> None:
    """The command says them as JSON with the exit status of errors: a missing secret, a misspelt name."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("STENO_", "KAFKA_"))}
    wrong = {"STENO_INGEST_HTTP_HOST": "127.0.0.1", "STENO_ENRICHER_GRACE_SECOND": "1"}
    ran = subprocess.run(
        [sys.executable, "-m", "steno.cli", "doctor", "--json"],
        cwd=tmp_path,
        env={**clean, "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1", **wrong},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.returncode == 2, ran.stderr
    found = {finding["where"]: finding["what"] for finding in json.loads(ran.stdout)["findings"]}
    assert "STENO_INGEST_SECRET_KEY" in found["settings of ingest"]
    assert "did you mean STENO_ENRICHER_GRACE_SECONDS" in found["settings of enricher"]
    assert "no connection" in found["127.0.0.1:1"]


async def test_a_server_that_is_no_steno_or_breaks_off_is_a_finding() -> None:
    """A proxy's page, a connection that ends: it is said of the server, and not taken for a bug of Steno."""

    async def page(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi")
        await writer.drain()
        writer.close()

    async def nothing_at_all(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    for answer, what in ((page, "not as by Steno"), (nothing_at_all, "does not answer")):
        async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
            url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            for ask in (ask_ledger, ask_deliveries):
                (finding,) = await ask(url, "key", aiohttp.TCPConnector())
                assert finding.severity == Severity.ERROR
                assert what in finding.what
