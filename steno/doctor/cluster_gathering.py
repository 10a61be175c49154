"""Finds out what a Kafka cluster says of itself, its topics and its groups (`cluster_facts`)."""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence, Set
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import (
    GroupAuthorizationFailedError,
    GroupCoordinatorNotAvailableError,
    KafkaError,
    TopicAuthorizationFailedError,
)

from steno.doctor.cluster_facts import (
    BrokerDisk,
    ClusterFacts,
    GroupFacts,
    Member,
    PartitionFacts,
    PartitionLag,
    TopicFacts,
)
from steno.doctor.cluster_protocol import DescribeGroup, DescribeLogDirs, DescribeTopics
from steno.events.catalogue import DEAD_LETTERS, catalogue, groups
from steno.kafka import client_options, topic_name
from steno.kafka.errors import KafkaUnavailable
from steno.settings import KafkaSettings, TopicSettings

_REQUEST_MS = 4000
_READ_SECONDS = 2.0
#: Two processes with one instance name put each other out about once a second.
_LATER_SECONDS = 2.5
_DAY_MS = 86_400_000
#: How far clocks may be apart before records count as from the future.
_FUTURE_MS = 60_000

# KIP-430, and `AclOperation` of Kafka's clients.
_OPERATIONS = {3: "Read", 4: "Write", 5: "Create", 8: "Describe", 10: "DescribeConfigs"}
_NOT_SAID = -(2**31)
_TOPIC_FORBIDDEN, _GROUP_FORBIDDEN = TopicAuthorizationFailedError.errno, GroupAuthorizationFailedError.errno
_NO_LIMIT = -1


async def gather_cluster(kafka: KafkaSettings, topics: TopicSettings) -> ClusterFacts:
    """Asks a cluster.

    Raises:
        KafkaUnavailable: it could not be asked.
    """
    try:
        async with _admin(kafka) as admin:
            return await _gather(admin, kafka, topics)
    except KafkaError as error:
        raise KafkaUnavailable(f"Kafka at {kafka.bootstrap_servers} could not be asked: {error!r}") from error


async def _gather(admin: AIOKafkaAdminClient, kafka: KafkaSettings, settings: TopicSettings) -> ClusterFacts:
    names = {topic_name(settings, topic): topic for topic in catalogue().values()}
    answer = (await admin._send_request(DescribeTopics(list(names)))).to_object()
    configs = await _configs(admin, [entry["topic"] for entry in answer["topics"] if not entry["error_code"]])
    found = tuple(
        TopicFacts(
            topic=names[entry["topic"]],
            name=entry["topic"],
            visible=entry["error_code"] != _TOPIC_FORBIDDEN,
            partitions=tuple(map(_partition, sorted(entry["partitions"], key=lambda part: part["partition"]))),
            operations=_operations(entry["authorized_operations"]),
            config=configs.get(entry["topic"]),
        )
        for entry in answer["topics"]
    )
    brokers = {broker["node_id"]: f"{broker['host']}:{broker['port']}" for broker in answer["brokers"]}
    facts = ClusterFacts(
        servers=kafka.bootstrap_servers,
        user=kafka.user,
        brokers=brokers,
        controller=answer["controller_id"],
        topics=found,
        disks=tuple([disk for node in brokers for disk in await _disks(admin, node)]),
    )
    return await _with_records(facts, admin, kafka, settings)


async def _with_records(
    facts: ClusterFacts, admin: AIOKafkaAdminClient, kafka: KafkaSettings, settings: TopicSettings
) -> ClusterFacts:
    """Adds what needs the offsets of partitions that have a leader."""
    by_name = {
        topic.name: [
            TopicPartition(topic.name, part.number) for part in topic.partitions if part.leader >= 0 and _readable(topic)
        ]
        for topic in facts.topics
        # A client that asks for a topic that is missing may create it.
        if topic.partitions
    }
    parts = [where for wheres in by_name.values() for where in wheres]
    dead = by_name.get(topic_name(settings, DEAD_LETTERS), [])
    now = round(time.time() * 1000)
    async with _consumer(kafka) as client:
        if parts:
            await client._client.set_topics(set(by_name))
        begins = await client.beginning_offsets(parts) if parts else {}
        ends = await client.end_offsets(parts) if parts else {}
        future = await client.offsets_for_times(dict.fromkeys(parts, now + _FUTURE_MS)) if parts else {}
        day = await client.offsets_for_times(dict.fromkeys(dead, now - _DAY_MS)) if dead else {}
        found = [await _group(admin, settings.prefix + name, service) for name, service in groups().items()]
        read = {topic.name for topic in facts.topics if topic.operations is None or "Read" in topic.operations}
        lags = await _lags(admin, client, [group.name for group in found if group.visible], begins, ends, read)
    later = {group.name: group for group in await _later(admin, found)}
    return ClusterFacts(
        servers=facts.servers,
        user=facts.user,
        brokers=facts.brokers,
        controller=facts.controller,
        topics=facts.topics,
        disks=facts.disks,
        groups=tuple(
            GroupFacts(
                name=group.name,
                service=group.service,
                visible=group.visible,
                state=group.state,
                members=group.members,
                members_later=later[group.name].members,
                operations=group.operations,
                lags=lags.get(group.name, ()),
            )
            for group in found
        ),
        from_future=frozenset(where.topic for where, at in future.items() if at is not None),
        dead_letters=sum(ends[where] - at.offset for where, at in day.items() if at is not None) if dead else None,
    )


def _readable(topic: TopicFacts) -> bool:
    return topic.operations is None or bool(topic.operations & {"Read", "Describe"})


async def _configs(admin: AIOKafkaAdminClient, names: Sequence[str]) -> dict[str, Mapping[str, str]]:
    if not names:
        return {}
    found: dict[str, Mapping[str, str]] = {}
    for answer in await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, name) for name in names]):
        for code, _message, _kind, name, entries in answer.resources:
            if not code:
                found[name] = {entry[0]: entry[1] for entry in entries}
    return found


async def _disks(admin: AIOKafkaAdminClient, node: int) -> list[BrokerDisk]:
    try:
        answer = (await admin._send_request_to_node(node, DescribeLogDirs())).to_object()
    except (KafkaError, NotImplementedError, TimeoutError):  # an older broker, or one that is going
        return []
    return [
        BrokerDisk(
            broker=node,
            folder=entry["log_dir"],
            failed=bool(entry["error_code"]),
            total=_bytes(entry["total_bytes"]),
            usable=_bytes(entry["usable_bytes"]),
        )
        for entry in answer["results"]
    ]


async def _group(admin: AIOKafkaAdminClient, name: str, service: str) -> GroupFacts:
    try:
        node = await admin.find_coordinator(name)
        answer = (await admin._send_request_to_node(node, DescribeGroup(name))).to_object()
    except GroupAuthorizationFailedError:
        return GroupFacts(name=name, service=service, visible=False)
    except GroupCoordinatorNotAvailableError:  # a cluster that has never had a group
        return GroupFacts(name=name, service=service)
    (entry,) = answer["groups"]
    return GroupFacts(
        name=name,
        service=service,
        visible=entry["error_code"] != _GROUP_FORBIDDEN,
        state=entry["state"],
        members=tuple(
            Member(
                member_id=member["member_id"],
                instance=member["group_instance_id"] or "",
                client_id=member["client_id"],
                host=member["client_host"],
            )
            for member in entry["members"]
        ),
        operations=_operations(entry["authorized_operations"]),
    )


async def _later(admin: AIOKafkaAdminClient, found: Sequence[GroupFacts]) -> list[GroupFacts]:
    """The groups again, after a while where one has members that a second process could put out."""
    if any(member.instance for group in found for member in group.members):
        await asyncio.sleep(_LATER_SECONDS)
        return [await _group(admin, group.name, group.service) for group in found]
    return list(found)


async def _lags(
    admin: AIOKafkaAdminClient,
    client: AIOKafkaConsumer,
    names: Sequence[str],
    begins: Mapping[TopicPartition, int],
    ends: Mapping[TopicPartition, int],
    read: Set[str],
) -> dict[str, tuple[PartitionLag, ...]]:
    """The lag of groups by their names; when the oldest record was written only of the topics in `read`."""
    committed: dict[str, dict[TopicPartition, int]] = {}
    for name in names:
        try:
            offsets = await admin.list_consumer_group_offsets(name)
        except (GroupAuthorizationFailedError, TopicAuthorizationFailedError, GroupCoordinatorNotAvailableError):
            continue
        committed[name] = {where: at.offset for where, at in offsets.items() if where in ends and at.offset >= 0}
    behind = {
        (where, max(offset, begins[where]))
        for offsets in committed.values()
        for where, offset in offsets.items()
        if offset < ends[where] and begins[where] < ends[where] and where.topic in read
    }
    written = await _written(client, behind)
    return {
        name: tuple(
            PartitionLag(
                topic=where.topic,
                partition=where.partition,
                committed=offset,
                begin=begins[where],
                end=ends[where],
                oldest=written.get((where, max(offset, begins[where]))),
            )
            for where, offset in sorted(offsets.items())
        )
        for name, offsets in committed.items()
    }


async def _written(
    client: AIOKafkaConsumer, wanted: set[tuple[TopicPartition, int]]
) -> dict[tuple[TopicPartition, int], datetime]:
    """When the first record at or after each offset was written, as far as that can be read in short time."""
    found: dict[tuple[TopicPartition, int], datetime] = {}
    deadline = time.monotonic() + _READ_SECONDS
    left = set(wanted)
    while left and time.monotonic() < deadline:
        # Groups may stand at different offsets of one partition, which a client reads one after the other.
        batch = dict(left)
        client.assign(list(batch))
        for where, offset in batch.items():
            client.seek(where, offset)
        while batch and time.monotonic() < deadline:
            try:
                records = await client.getmany(timeout_ms=200, max_records=None)
            except TopicAuthorizationFailedError:
                return found
            for where, several in records.items():
                if where in batch and several:
                    offset = batch.pop(where)
                    found[where, offset] = datetime.fromtimestamp(several[0].timestamp / 1000, UTC)
                    left.discard((where, offset))
                    client.pause(where)
        if batch:
            break
    return found


@asynccontextmanager
async def _admin(kafka: KafkaSettings) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = AIOKafkaAdminClient(**client_options(kafka), request_timeout_ms=_REQUEST_MS)
    try:
        await admin.start()
        yield admin
    finally:
        await admin.close()


@asynccontextmanager
async def _consumer(kafka: KafkaSettings) -> AsyncIterator[AIOKafkaConsumer]:
    client = AIOKafkaConsumer(
        **client_options(kafka), request_timeout_ms=_REQUEST_MS, enable_auto_commit=False, auto_offset_reset="earliest"
    )
    try:
        await client.start()
        yield client
    finally:
        await client.stop()


def _partition(entry: Mapping[str, Any]) -> PartitionFacts:
    return PartitionFacts(
        number=entry["partition"], leader=entry["leader"], replicas=tuple(entry["replicas"]), in_sync=tuple(entry["isr"])
    )


def _operations(bits: int) -> frozenset[str] | None:
    """The operations that a bit field stands for; None where it was not said."""
    return None if bits == _NOT_SAID else frozenset(name for bit, name in _OPERATIONS.items() if bits & (1 << bit))


def _bytes(count: int) -> int | None:
    return None if count == _NO_LIMIT else count
