"""The check of Kafka: each bootstrap broker, then the cluster, its topics and its groups."""

import asyncio
import ssl
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from steno.doctor import tls
from steno.doctor.access import judge_access
from steno.doctor.checks import Check
from steno.doctor.cluster import judge_brokers, judge_disks, judge_records
from steno.doctor.cluster_gathering import gather_cluster
from steno.doctor.findings import Finding, Severity, error, ok
from steno.doctor.groups import judge_groups
from steno.doctor.topics import judge_topics
from steno.events.registry import schema_ids
from steno.kafka import client_options
from steno.settings import KafkaSettings, SchemaSettings, TopicSettings

_SECONDS = 30.0
_ASK_SECONDS = 20.0


def kafka_checks(
    kafka: KafkaSettings, topics: TopicSettings, schemas: SchemaSettings, services: Sequence[str] = ()
) -> list[Check]:
    """Makes the checks of a cluster and of the schemas.

    Args:
        services: Those that connect with these settings, whose access is judged.
    """

    async def cluster() -> list[Finding]:
        reached = await _reach(kafka)
        if all(finding.severity == Severity.ERROR for finding in reached):
            return reached
        return reached + await _ask(kafka, topics, services)

    async def registry() -> list[Finding]:
        await schema_ids(schemas)
        url = schemas.registry_url
        return [ok("schemas", "the shipped ids are used" if url is None else "the registry has all schemas of this version")]

    return [Check(name="kafka", run=cluster, seconds=_SECONDS), Check(name="schemas", run=registry)]


async def _reach(kafka: KafkaSettings) -> list[Finding]:
    """Connects to each bootstrap broker."""
    now = datetime.now(UTC)
    context: ssl.SSLContext | None = client_options(kafka).get("ssl_context")
    addresses = [address.strip() for address in kafka.bootstrap_servers.split(",")]
    probes = (tls.probe(address, context, trusted="KAFKA_SSL_CAFILE", now=now) for address in addresses)
    found = [finding for findings in await asyncio.gather(*probes) for finding in findings]
    if kafka.encrypted and kafka.ssl_cafile:
        found += tls.judge_authority_file(Path(kafka.ssl_cafile), now=now)
    return found


async def _ask(kafka: KafkaSettings, topics: TopicSettings, services: Sequence[str]) -> list[Finding]:
    try:
        async with asyncio.timeout(_ASK_SECONDS):
            facts = await gather_cluster(kafka, topics)
    except TimeoutError:
        return [
            error(
                kafka.bootstrap_servers,
                f"the brokers accept connections, and did not answer {kafka.user} within {_ASK_SECONDS:g} s",
                "check KAFKA_SECURITY_PROTOCOL and the credentials, that the addresses which brokers advertise can be reached "
                "from here, and their logs",
            )
        ]
    # The user of a service need not see the groups of others.
    groups = [group for group in facts.groups if group.visible or not services or group.service in services]
    retention = {topic.name: topic.topic.retention_ms for topic in facts.topics}
    return [
        *judge_brokers(facts),
        *judge_disks(facts.disks),
        *judge_topics(facts.topics, partitions=topics.partitions, brokers=len(facts.brokers)),
        *judge_access(facts, services, prefix=topics.prefix),
        *judge_groups(groups, retention, now=datetime.now(UTC)),
        *judge_records(facts),
    ]
