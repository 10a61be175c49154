"""Judges a cluster: its brokers, their disks, and clocks. Pure."""

from collections.abc import Iterable

from steno.doctor.cluster_facts import BrokerDisk, ClusterFacts
from steno.doctor.findings import Finding, error, note, ok, warning

_GIGABYTE = 1 << 30
_LOW_SHARE, _LOW_BYTES = 0.1, 10 * _GIGABYTE
_FULL_SHARE, _FULL_BYTES = 0.02, _GIGABYTE


def judge_brokers(facts: ClusterFacts) -> list[Finding]:
    """Judges which brokers run."""
    missing = sorted(
        {node for topic in facts.topics for part in topic.partitions for node in part.replicas} - set(facts.brokers)
    )
    findings = [
        error(
            f"broker {node}",
            "it holds partitions of Steno's topics, and does not run",
            "start it again; where its machine is lost for good, move its partitions to others (kafka-reassign-partitions.sh)",
        )
        for node in missing
    ]
    if facts.controller not in facts.brokers:
        findings.append(
            error(facts.servers, "the cluster has no controller", "look at the logs of its brokers: its quorum has no leader")
        )
    if not findings:
        findings.append(ok(facts.servers, f"{_count(len(facts.brokers), 'broker')} of Kafka, as {facts.user}"))
    return findings


def judge_disks(disks: Iterable[BrokerDisk]) -> list[Finding]:
    """Judges the folders of brokers' logs."""
    findings = []
    for disk in disks:
        where = f"broker {disk.broker}, {disk.folder}"
        todo = "give it more room, or keep less: the retention of call-audio and recordings takes most (docs/topics.md)"
        if disk.failed:
            findings.append(
                error(
                    where, "the broker has given up this folder after an error, as of a full disk", f"{todo}; then restart it"
                )
            )
        elif disk.total and disk.usable is not None:
            findings.append(judge_space(where, disk.usable, disk.total, todo))
    return findings


def judge_space(where: str, usable: int, total: int, todo: str) -> Finding:
    """Judges the free space of a disk, in bytes."""
    what = f"{usable / _GIGABYTE:.1f} of {total / _GIGABYTE:.1f} GiB are free"
    if usable < min(_FULL_SHARE * total, _FULL_BYTES):
        return error(where, f"the disk is full: {what}", todo)
    if usable < min(_LOW_SHARE * total, _LOW_BYTES):
        return warning(where, f"the disk is nearly full: {what}", todo)
    return ok(where, what)


def judge_records(facts: ClusterFacts) -> list[Finding]:
    """Judges dead letters, and records from the future."""
    findings = []
    if facts.dead_letters:
        findings.append(
            warning(
                "dead-letters",
                f"{_count(facts.dead_letters, 'record')} of the last day could not be processed",
                "look into each one: its headers steno-origin-… and steno-error-… say where it came from, and why",
            )
        )
    elif facts.dead_letters is None:
        findings.append(note("dead-letters", "they could not be counted", "let this user read the topic"))
    if facts.from_future:
        findings.append(
            warning(
                ", ".join(sorted(facts.from_future)),
                "records there were written more than a minute in the future",
                "compare the clocks of this machine and of those that write there with NTP (chronyc tracking, timedatectl)",
            )
        )
    return findings or [ok("dead-letters", "none in the last day, and no record is from the future")]


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
