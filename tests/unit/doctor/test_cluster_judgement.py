"""What is wrong with a cluster is said with what to do."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steno.doctor.access import judge_access
from steno.doctor.cluster import judge_brokers, judge_disks, judge_records, judge_space
from steno.doctor.cluster_facts import (
    BrokerDisk,
    ClusterFacts,
    GroupFacts,
    Member,
    PartitionFacts,
    PartitionLag,
    TopicFacts,
)
from steno.doctor.findings import Finding, Severity, exit_status
from steno.doctor.groups import judge_groups
from steno.doctor.topics import judge_topics
from steno.events.access import access_of
from steno.events.catalogue import PHRASES, RECORDINGS, WEBHOOKS, Topic, catalogue, topic_config

NOW = datetime(2026, 1, 1, tzinfo=UTC)
GIGABYTE = 1 << 30
ALL = frozenset({"Read", "Write", "Create", "Describe", "DescribeConfigs"})
MEMBER = Member(member_id="0-a", instance="0", client_id="c", host="/10.0.0.1")


def topic(of: Topic = PHRASES, partitions: int = 12, **fields: object) -> TopicFacts:
    parts = tuple(PartitionFacts(number=n, leader=1, replicas=(1, 2, 3), in_sync=(1, 2, 3)) for n in range(partitions))
    made = TopicFacts(
        topic=of,
        name=f"steno.{of.name}",
        partitions=parts,
        operations=ALL,
        config={**topic_config(of), "min.insync.replicas": "2"},
    )
    return replace(made, **fields)  # type: ignore[arg-type]


def cluster(**fields: object) -> ClusterFacts:
    made = ClusterFacts(
        servers="k:9092",
        user="user u",
        brokers={1: "a:1", 2: "b:1", 3: "c:1"},
        controller=1,
        topics=tuple(map(topic, catalogue().values())),
        dead_letters=0,
    )
    return replace(made, **fields)  # type: ignore[arg-type]


def judged(found: TopicFacts) -> list[tuple[Severity, str]]:
    return [(finding.severity, finding.what) for finding in judge_topics([found], partitions=12, brokers=3)]


def said(findings: list[Finding]) -> str:
    assert all(finding.todo for finding in findings if finding.severity >= Severity.WARNING)
    return "\n".join(f"{finding.severity.name} {finding.where}: {finding.what} → {finding.todo}" for finding in findings)


def test_a_cluster_as_the_catalogue_wants_it_has_no_fault() -> None:
    facts = cluster()
    services = ("ingest", "transcriber", "enricher", "notifier")
    findings = [
        *judge_brokers(facts),
        *judge_topics(facts.topics, partitions=12, brokers=3),
        *judge_records(facts),
        *judge_access(facts, services, prefix="steno."),
    ]
    assert {finding.severity for finding in findings} == {Severity.OK}
    assert exit_status(findings) == 0


@pytest.mark.parametrize(
    ("found", "severity", "what"),
    [
        (topic(partitions=0), Severity.ERROR, "missing"),
        (topic(partitions=6), Severity.ERROR, "6 partitions, and STENO_TOPIC_PARTITIONS is 12"),
        (topic(config=None), Severity.NOTE, "their settings may not be read"),
        (topic(config={**topic_config(PHRASES), "cleanup.policy": "compact"}), Severity.ERROR, "cleanup.policy is compact"),
        (topic(config={**topic_config(PHRASES), "retention.ms": "3600000"}), Severity.WARNING, "before their time"),
        (topic(config={**topic_config(PHRASES), "retention.ms": "-1"}), Severity.WARNING, "should be gone"),
        (topic(config={**topic_config(PHRASES), "segment.ms": "1"}), Severity.NOTE, "segment.ms is 1"),
        (topic(config={**topic_config(PHRASES), "min.insync.replicas": "3"}), Severity.WARNING, "without any one broker"),
        (topic(config={**topic_config(PHRASES), "min.insync.replicas": "1"}), Severity.WARNING, "may be lost"),
    ],
)
def test_a_topic_that_differs_from_the_catalogue_is_named(found: TopicFacts, severity: Severity, what: str) -> None:
    assert any(kind == severity and what in text for kind, text in judged(found)), judged(found)


def test_topics_of_other_keys_may_have_other_partitions() -> None:
    assert judged(topic(WEBHOOKS, partitions=1)) == [(Severity.OK, "all are there, as the catalogue says")]


def test_a_topic_that_a_command_makes_when_it_is_first_used_may_be_missing() -> None:
    """Only what services make at their start is missed."""
    found = [topic(of, partitions=0) for of in catalogue().values()]
    missed = {finding.where for finding in judge_topics(found, partitions=12, brokers=3)}
    assert {f"topic steno.{of}" for of in catalogue()} - missed == {"topic steno.dead-letters-redriven"}


@pytest.mark.parametrize(
    ("part", "severity", "what"),
    [
        (PartitionFacts(number=0, leader=-1, replicas=(1, 2, 3), in_sync=()), Severity.ERROR, "without a leader"),
        (PartitionFacts(number=0, leader=1, replicas=(1, 2, 3), in_sync=(1,)), Severity.ERROR, "nothing can be written"),
        (PartitionFacts(number=0, leader=1, replicas=(1, 2, 3), in_sync=(1, 2)), Severity.WARNING, "not in sync"),
    ],
)
def test_replicas_that_are_missing_are_found(part: PartitionFacts, severity: Severity, what: str) -> None:
    found = topic(partitions=12)
    (finding,) = judged(replace(found, partitions=(part, *found.partitions[1:])))
    assert finding[0] == severity
    assert what in finding[1]


def test_a_broker_that_vanished_is_named() -> None:
    """It still stands among the replicas of topics."""
    text = said(judge_brokers(cluster(brokers={1: "a:1", 2: "b:1"})))
    assert text.startswith("ERROR broker 3: it holds partitions")


def test_full_disks_of_brokers_are_errors_and_nearly_full_ones_warnings() -> None:
    disks = [
        BrokerDisk(broker=1, folder="/a", failed=True),
        BrokerDisk(broker=2, folder="/b", total=100 * GIGABYTE, usable=GIGABYTE // 2),
        BrokerDisk(broker=3, folder="/c", total=100 * GIGABYTE, usable=5 * GIGABYTE),
        BrokerDisk(broker=4, folder="/d", total=100 * GIGABYTE, usable=50 * GIGABYTE),
        BrokerDisk(broker=5, folder="/e"),
    ]
    assert [finding.severity for finding in judge_disks(disks)] == [3, 3, 2, 0]


@given(total=st.integers(1, 1 << 50), share=st.floats(0, 1))
def test_more_room_is_never_worse(total: int, share: float) -> None:
    usable = int(total * share)
    assert judge_space("d", usable, total, "t").severity >= judge_space("d", total, total, "t").severity == Severity.OK


def test_a_right_that_is_missing_is_named_with_the_command_that_grants_it() -> None:
    """Only what the service does: it need not create what is there."""
    facts = cluster(topics=(topic(RECORDINGS, operations=frozenset({"Describe", "Read"})),))
    text = said(judge_access(facts, ["ingest"], prefix="steno."))
    assert "topic steno.recordings: user u may not Write, which the ingest does" in text
    assert "--operation Write --topic steno.recordings" in text
    assert exit_status(judge_access(facts, ["transcriber"], prefix="steno.")) == 0


def test_what_this_user_may_not_even_see_lacks_every_right() -> None:
    hidden = topic(RECORDINGS, partitions=0, visible=False, operations=frozenset())
    group = GroupFacts(name="steno.ingest", service="ingest", visible=False)
    text = said(judge_access(cluster(topics=(hidden,), groups=(group,)), ["ingest"], prefix="steno."))
    assert "may not Read and Write and Create and Describe" in text
    assert "group steno.ingest: user u may not Read and Describe" in text
    assert "may not see it" in said(judge_access(cluster(topics=(hidden,)), [], prefix="steno."))


@given(lacking=st.sampled_from([rule for rule in access_of("ingest").rules("steno.") if rule.resource == "Topic"]))
def test_each_rule_of_a_service_is_missed(lacking: object) -> None:
    """Whichever topic of ingest gives no right, it is named, and no other."""
    topics = tuple(
        topic(entry, operations=frozenset() if f"steno.{entry.name}" == lacking.name else ALL)  # type: ignore[attr-defined]
        for entry in catalogue().values()
    )
    found = judge_access(cluster(topics=topics), ["ingest"], prefix="steno.")
    assert [finding.where for finding in found] == [f"topic {lacking.name}"]  # type: ignore[attr-defined]


def group(**fields: object) -> GroupFacts:
    made = GroupFacts(name="steno.transcriber", service="transcriber", members=(MEMBER,), members_later=(MEMBER,))
    return replace(made, **fields)  # type: ignore[arg-type]


def lag(**fields: object) -> PartitionLag:
    made = PartitionLag(topic="steno.recordings", partition=0, committed=10, begin=0, end=10)
    return replace(made, **fields)  # type: ignore[arg-type]


RETENTION = {"steno.recordings": 7 * 86_400_000}


@pytest.mark.parametrize(
    ("found", "severity", "what"),
    [
        (group(), Severity.OK, "1 member, nothing waits"),
        (group(members=(), members_later=()), Severity.ERROR, "no process of the transcriber is a member"),
        (group(lags=(lag(end=13),)), Severity.OK, "1 member, 3 records wait"),
        (group(lags=(lag(end=13, oldest=NOW - timedelta(minutes=2)),)), Severity.OK, "3 records wait, the oldest for 2 min"),
        (group(lags=(lag(end=13, oldest=NOW - timedelta(hours=2)),)), Severity.WARNING, "3 records wait, the oldest for 2 h"),
        (group(lags=(lag(end=13, oldest=NOW - timedelta(days=5)),)), Severity.ERROR, "deleted unread"),
        (group(lags=(lag(begin=12, end=12),)), Severity.ERROR, "from offset 10 to 11 were deleted"),
        (group(members_later=(replace(MEMBER, member_id="0-b"),)), Severity.ERROR, "two processes have this name"),
        (group(visible=False), Severity.NOTE, "may not be described"),
    ],
)
def test_the_state_of_a_group_is_judged(found: GroupFacts, severity: Severity, what: str) -> None:
    findings = judge_groups([found], RETENTION, now=NOW)
    assert any(finding.severity == severity and what in finding.what for finding in findings), said(findings)
    said(findings)


def test_a_process_that_left_and_another_that_came_are_no_two_of_one_name() -> None:
    other = replace(MEMBER, member_id="1-b", instance="1")
    assert exit_status(judge_groups([group(members_later=(other,))], RETENTION, now=NOW)) == 0


def test_dead_letters_and_records_from_the_future_are_warnings() -> None:
    text = said(judge_records(cluster(dead_letters=2, from_future=frozenset({"steno.phrases"}))))
    assert "2 records of the last day could not be processed" in text
    assert "steno.phrases: records there were written more than a minute in the future" in text
