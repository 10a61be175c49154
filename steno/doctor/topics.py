"""Judges the topics of a cluster against the catalogue. Pure."""

from collections.abc import Iterator, Mapping, Sequence

from steno.doctor.cluster_facts import TopicFacts
from steno.doctor.findings import Finding, error, note, ok, warning
from steno.events.catalogue import groups, topic_config

_DAY_MS = 86_400_000


def judge_topics(topics: Sequence[TopicFacts], *, partitions: int, brokers: int) -> list[Finding]:
    """Judges all topics.

    Args:
        partitions: What STENO_TOPIC_PARTITIONS says.
        brokers: How many brokers run.
    """
    findings = [finding for topic in topics for finding in _judge(topic, partitions, brokers)]
    unread = sum(topic.config is None and bool(topic.partitions) for topic in topics)
    if unread:
        todo = "allow this user DescribeConfigs on them to have them compared with the catalogue; services need no such right"
        findings.append(note(f"{unread} topics", "their settings may not be read", todo))
    return findings or [ok(f"{len(topics)} topics", "all are there, as the catalogue says")]


def _judge(topic: TopicFacts, partitions: int, brokers: int) -> Iterator[Finding]:
    where = f"topic {topic.name}"
    if not topic.visible:
        return  # the check of access says it
    if not topic.partitions and not _made_by_services(topic):
        return
    if not topic.partitions:
        yield error(where, "it is missing", "start its services, which create it, or run `steno topics create`")
        return
    count = len(topic.partitions)
    if topic.topic.key == "call_id" and count != partitions:
        yield error(
            where,
            f"it has {count} partitions, and STENO_TOPIC_PARTITIONS is {partitions}: all topics keyed by call must have the "
            "same number, so that a call is in the same partition of each",
            f"set STENO_TOPIC_PARTITIONS={count} for all services if all topics have that number; else use another "
            "STENO_TOPIC_PREFIX. Do not add partitions: calls would change theirs",
        )
    yield from _judge_replicas(where, topic, brokers)
    if topic.config is not None:
        yield from _judge_config(where, topic, topic.config)


def _made_by_services(topic: TopicFacts) -> bool:
    """Whether services make the topic at their start, rather than a command when it is first used."""
    return bool(set(groups().values()) & {*topic.topic.written_by, *topic.topic.read_by})


def _judge_replicas(where: str, topic: TopicFacts, brokers: int) -> Iterator[Finding]:
    offline = [part.number for part in topic.partitions if part.leader < 0]
    if offline:
        yield error(
            where,
            f"{_partitions(offline)} without a leader, so nothing there can be read or written",
            "start the brokers that hold them again",
        )
    replicas = min(len(part.replicas) for part in topic.partitions)
    least = int((topic.config or {}).get("min.insync.replicas", "1"))
    starved = [part.number for part in topic.partitions if part.leader >= 0 and len(part.in_sync) < least]
    behind = [part.number for part in topic.partitions if part.leader >= 0 and least <= len(part.in_sync) < len(part.replicas)]
    if starved:
        yield error(
            where,
            f"{_partitions(starved)} with fewer replicas in sync than min.insync.replicas={least}, so nothing can be written",
            "start the missing brokers again, or lower min.insync.replicas if there are too few",
        )
    if behind:
        yield warning(where, f"{_partitions(behind)} with replicas that are not in sync", "start the missing brokers again")
    if brokers > 1 and replicas == 1:
        yield warning(
            where,
            f"it has one replica on {brokers} brokers: with the loss of a broker its records are lost",
            "raise its replication factor (kafka-reassign-partitions.sh), and set STENO_TOPIC_REPLICATION_FACTOR",
        )
    if replicas > 2 and least == 1:
        yield warning(
            where,
            "min.insync.replicas is 1: a record that was acknowledged may be lost with one broker",
            "set min.insync.replicas=2 on the topic or the brokers",
        )
    if 1 < replicas <= least:
        yield warning(
            where,
            f"min.insync.replicas is {least} with {replicas} replicas: without any one broker nothing can be written",
            f"set min.insync.replicas={replicas - 1}",
        )


def _judge_config(where: str, topic: TopicFacts, config: Mapping[str, str]) -> Iterator[Finding]:
    for name, wanted in topic_config(topic.topic).items():
        found = config.get(name, "")
        if found == wanted:
            continue
        what = f"{name} is {_shown(name, found)}, and the catalogue says {_shown(name, wanted)}"
        todo = f"kafka-configs.sh --alter --entity-type topics --entity-name {topic.name} --add-config '{name}=[{wanted}]'"
        if name == "cleanup.policy" or (name == "max.message.bytes" and _number(found) < _number(wanted)):
            yield error(where, what, todo)
        elif name == "retention.ms" and (_number(found) < 0 or _number(found) > _number(wanted)):
            yield warning(where, f"{what}: what should be gone is kept", todo)
        elif name == "retention.ms":
            yield warning(where, f"{what}: records are deleted before their time, perhaps unread", todo)
        elif name == "message.timestamp.type":
            yield warning(where, f"{what}: times in calls are judged by it", todo)
        elif name != "max.message.bytes":
            yield note(where, what, todo)


def _partitions(numbers: Sequence[int]) -> str:
    return f"{len(numbers)} of its partitions ({', '.join(map(str, numbers[:8]))}{', …' if len(numbers) > 8 else ''})"


def _number(text: str) -> int:
    return int(text) if text.lstrip("-").isdigit() else 0


def _shown(name: str, value: str) -> str:
    number = _number(value)
    if not name.endswith(".ms") or number <= 0:
        return value or "not set"
    return f"{value} ({number / _DAY_MS:g} days)" if number >= _DAY_MS else f"{value} ({number / 60_000:g} minutes)"
