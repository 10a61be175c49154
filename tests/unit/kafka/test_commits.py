"""One commit at a time, and each of them judged."""

import asyncio

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import CommitFailedError, KafkaError

from steno.events.catalogue import TRANSCRIPTS
from steno.kafka.assignment import Assignment
from steno.kafka.commits import Commits
from steno.kafka.jobs import Job
from steno.kafka.watchdog import Watchdog

WHERE = TopicPartition("transcripts", 0)


class Record:
    """A record as it is polled, as far as an assignment looks."""

    def __init__(self, offset: int) -> None:
        self.offset = offset
        self.timestamp = 0


class Broker:
    """Takes commits as `AIOKafkaConsumer.commit` does, and answers when told to."""

    def __init__(self) -> None:
        self.asked: list[dict[TopicPartition, int]] = []
        self.answers: list[asyncio.Future[None]] = []
        self.answers_at_once = False

    async def commit(self, offsets: dict[TopicPartition, int]) -> None:
        self.asked.append(dict(offsets))
        self.answers.append(asyncio.get_running_loop().create_future())
        if not self.answers_at_once:
            # As aiokafka: the request is on its way, whoever waits for it.
            await asyncio.shield(self.answers[-1])


class Member:
    """What a consumer has, with a broker in its hand."""

    def __init__(self, *, patience_seconds: float = 0) -> None:
        self.now = 100.0
        self.broker = Broker()
        self.assignment = Assignment(group="commits", topics={"transcripts": TRANSCRIPTS}, max_gap=100)
        self.watchdog = Watchdog(stuck_seconds=30, clock=lambda: self.now)
        self._commits = Commits(
            group="commits", assignment=self.assignment, watchdog=self.watchdog, patience_seconds=patience_seconds
        )
        self.abandon = self._commits.abandon

    def finishes(self, offset: int) -> None:
        """Takes a record and is done with it."""
        job: Job
        for job in self.assignment.add_polled({WHERE: [Record(offset)]}):  # type: ignore[list-item]
            job.partition.tracker.finish(offset)

    async def commit(self) -> bool:
        return await self._commits.commit(self.broker)


async def test_a_broker_that_does_not_answer_is_asked_once() -> None:
    """Commits do not pile up behind one that is under way; the watchdog's time runs from the first."""
    member = Member()
    for offset in range(5):
        member.finishes(offset)
        assert await member.commit()
        member.now += 10
        member.watchdog.polled()
    assert member.broker.asked == [{WHERE: 1}]
    assert member.watchdog.stuck == "no commit has succeeded for 50 s"
    await member.abandon()


async def test_what_was_done_meanwhile_is_committed_after_the_late_answer() -> None:
    """The late answer counts for what was asked, and the next commit is for the rest."""
    member = Member()
    member.finishes(0)
    await member.commit()
    member.finishes(1)
    member.broker.answers[0].set_result(None)
    member.broker.answers_at_once = True
    await _soon()
    assert await member.commit()
    assert member.broker.asked == [{WHERE: 1}, {WHERE: 2}]
    await _soon()
    assert await member.commit()
    assert member.assignment.committable() == {}


async def test_a_late_refusal_is_judged_and_the_commit_tried_again() -> None:
    """A refusal is no end: what was not committed is asked for anew, and that answer tells whose the partitions are."""
    member = Member()
    member.finishes(0)
    await member.commit()
    member.broker.answers[0].set_exception(CommitFailedError())
    await _soon()
    await member.commit()
    assert member.broker.asked == [{WHERE: 1}, {WHERE: 1}]
    assert member.assignment.committable() == {WHERE: 1}
    await member.abandon()


async def test_a_refusal_says_that_the_partitions_are_no_longer_ours() -> None:
    """Whoever gives partitions back learns that the work under way is somebody else's now."""
    member = Member(patience_seconds=60)
    member.finishes(0)
    committing = asyncio.create_task(member.commit())
    await _soon()
    member.broker.answers[0].set_exception(CommitFailedError())
    assert not await committing


async def test_a_late_failure_reaches_the_next_who_commits() -> None:
    """An error that no retry mends ends the consumer, however late it is known."""
    member = Member()
    member.finishes(0)
    await member.commit()
    member.broker.answers[0].set_exception(KafkaError("not authorised"))
    await _soon()
    with pytest.raises(KafkaError, match="not authorised"):
        await member.commit()


async def _soon() -> None:
    """Lets what is ready run."""
    for _ in range(5):
        await asyncio.sleep(0)
