"""Judges whether a Kafka user may do what a service does. Pure."""

from collections.abc import Iterator, Mapping, Sequence

from steno.doctor.cluster_facts import ClusterFacts, GroupFacts, TopicFacts
from steno.doctor.findings import Finding, error, ok
from steno.events.access import Rule, access_of


def judge_access(facts: ClusterFacts, services: Sequence[str], *, prefix: str) -> list[Finding]:
    """Judges the access of this user.

    Args:
        services: Those that connect as this user; without any, the topics need only be visible.
        prefix: STENO_TOPIC_PREFIX.
    """
    findings = [finding for service in services for finding in _judge(facts, service, access_of(service).rules(prefix))]
    if not services:
        findings = [
            error(
                f"topic {topic.name}",
                f"{facts.user} may not see it",
                "allow this user Describe on all topics with the prefix, or use the user of a service",
            )
            for topic in facts.topics
            if not topic.visible
        ]
    return findings or [ok(facts.user, f"it may do what {' and '.join(services) or 'the doctor'} needs")]


def _judge(facts: ClusterFacts, service: str, rules: Sequence[Rule]) -> Iterator[Finding]:
    topics: Mapping[str, TopicFacts] = {topic.name: topic for topic in facts.topics}
    groups: Mapping[str, GroupFacts] = {group.name: group for group in facts.groups}
    for rule in rules:
        found = (topics if rule.resource == "Topic" else groups).get(rule.name)
        if found is None:
            continue
        there = not isinstance(found, TopicFacts) or bool(found.partitions)
        # A topic that is there need not be created.
        needed = [name for name in rule.operations if not (name == "Create" and there)]
        allowed = frozenset[str]() if not found.visible else found.operations
        lacking = [] if allowed is None else [name for name in needed if name not in allowed]
        if found.visible and not there:
            lacking = []  # what may be done on it is known once it is there
        if lacking:
            operations = " ".join(f"--operation {name}" for name in lacking)
            option = f"--{rule.resource.lower()} {rule.name}"
            yield error(
                f"{rule.resource.lower()} {rule.name}",
                f"{facts.user} may not {' and '.join(lacking)}, which the {service} does",
                f"kafka-acls.sh --add --allow-principal User:NAME {operations} {option} (docs/topics.md has all rules)",
            )
