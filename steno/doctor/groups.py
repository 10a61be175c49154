"""Judges consumer groups: members, names of instances, and lag. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from steno.doctor.cluster_facts import GroupFacts, PartitionLag
from steno.doctor.findings import Finding, error, note, ok, warning

_LATE_SECONDS = 600
_LOST_SHARE = 0.5
"""From this share of a topic's retention on, records may be deleted unread."""


def judge_groups(groups: Sequence[GroupFacts], retention_ms: Mapping[str, int | None], *, now: datetime) -> list[Finding]:
    """Judges all groups.

    Args:
        retention_ms: How long each topic keeps its records, by its name on the cluster; None: for ever.
    """
    return [finding for group in groups for finding in _judge(group, retention_ms, now)]


def _judge(group: GroupFacts, retention_ms: Mapping[str, int | None], now: datetime) -> Iterator[Finding]:
    where = f"group {group.name}"
    if not group.visible:
        yield note(where, "it may not be described", "allow this user Describe on the group")
        return
    waiting = sum(max(0, lag.end - max(lag.committed, lag.begin)) for lag in group.lags)
    if not group.members:
        yield error(
            where,
            f"no process of the {group.service} is a member of it" + (f", and {waiting} records wait" if waiting else ""),
            f"start the {group.service}; where it runs, look at its log and at its /health/ready",
        )
    yield from _judge_instances(where, group)
    yield from _judge_deleted(where, group.lags)
    oldest = _oldest(group.lags, now)
    known = any(lag.oldest is not None for lag in group.lags)
    late = f"{waiting} records wait" + (f", the oldest for {_duration(oldest)}" if known else "")
    bound = min((kept / 1000 for lag in group.lags if (kept := retention_ms.get(lag.topic)) and _behind(lag)), default=None)
    if bound is not None and oldest > bound * _LOST_SHARE:
        yield error(
            where,
            f"{late}, and their topic keeps them for {_duration(bound)}: they will be deleted unread",
            f"add processes of the {group.service} now, or raise the retention of the topic",
        )
    elif oldest > _LATE_SECONDS:
        yield warning(
            where,
            late,
            f"add processes of the {group.service}, or see in its log what one record waits for (docs/operating.md)",
        )
    elif group.members:
        members = f"{len(group.members)} member{'' if len(group.members) == 1 else 's'}"
        yield ok(where, f"{members}, {late if waiting else 'nothing waits'}")


def _judge_instances(where: str, group: GroupFacts) -> Iterator[Finding]:
    before = {member.instance: member for member in group.members if member.instance}
    for member in group.members_later:
        known = before.get(member.instance)
        if known is not None and known.member_id != member.member_id:
            hosts = " and ".join(sorted({known.host, member.host}))
            yield error(
                where,
                f"the instance {member.instance} has joined anew within seconds ({hosts}): two processes have this name "
                "and put each other out, or one ends again and again",
                f"give each process of the {group.service} its own STENO_{group.service.upper()}_INSTANCE; with one process, "
                "look at its log",
            )


def _judge_deleted(where: str, lags: Sequence[PartitionLag]) -> Iterator[Finding]:
    for lag in lags:
        if lag.committed < lag.begin and lag.committed > 0:
            yield error(
                f"{where}, {lag.topic} {lag.partition}",
                f"records from offset {lag.committed} to {lag.begin - 1} were deleted before the group had done with them",
                "find out what of them is missing (`steno ledger`), send it again, and see why the group was so late",
            )


def _behind(lag: PartitionLag) -> bool:
    return max(lag.committed, lag.begin) < lag.end


def _oldest(lags: Sequence[PartitionLag], now: datetime) -> float:
    return max(((now - lag.oldest).total_seconds() for lag in lags if lag.oldest is not None), default=0.0)


def _duration(seconds: float) -> str:
    for unit, length in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{max(0.0, seconds):.0f} s"
