"""When a job at Azure is asked for: with events, and without."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from steno_transcriber.azure import wire
from steno_transcriber.azure.client import AzureClient, NoSuchJob
from steno_transcriber.azure.endpoints import Endpoint, parse_endpoint
from steno_transcriber.azure.followed_job import FollowedJob, Following

NOW = datetime(2026, 3, 1, tzinfo=UTC)
JOB = wire.Job(link="https://host/transcriptions/1", name="steno", status="Running", created=NOW)


class Polls:
    """A job that is running for some polls, then gone; keeps the pauses between them."""

    def __init__(self, running: int, *, events: bool, at_poll: Callable[["Polls"], None] = lambda _polls: None) -> None:
        self.pauses: list[float] = []
        #: Pauses that never end by themselves.
        self.endless = False
        self.count = 0
        self._running = running
        self._at_poll = at_poll
        self.followed = FollowedJob(
            parse_endpoint("westeurope"),
            JOB,
            {"address": "key"},
            Following(
                client=cast("AzureClient", self),
                sent=cast("Any", None),
                urls_valid=timedelta(hours=1),
                not_started_seconds=3600,
                clock=lambda: NOW,
                sleep=self._sleep,
                expects_events=lambda _endpoint: events,
            ),
        )

    async def job(self, _endpoint: Endpoint, _job_id: str) -> tuple[wire.Job, float]:
        self.count += 1
        self._at_poll(self)
        if self.count > self._running:
            raise NoSuchJob("gone")
        return JOB, 0.0

    async def _sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        if self.endless:
            await asyncio.Event().wait()


async def test_without_events_pauses_begin_short() -> None:
    """And become longer."""
    polls = Polls(3, events=False)
    await polls.followed.run()
    assert polls.pauses[0] <= 1
    assert polls.pauses[0] < polls.pauses[2] <= 4


async def test_with_events_a_job_is_asked_for_at_the_longest_pauses() -> None:
    """From the first one on: it is the safety net for a lost event."""
    polls = Polls(3, events=True)
    await polls.followed.run()
    assert len(polls.pauses) == 3
    assert all(30 <= pause <= 60 for pause in polls.pauses)


async def test_an_event_ends_the_pause() -> None:
    """The job is asked for at once."""
    polls = Polls(1, events=True)
    polls.endless = True
    running = asyncio.create_task(polls.followed.run())
    while not polls.pauses:
        await asyncio.sleep(0)
    polls.followed.wake()
    async with asyncio.timeout(5):
        await running
    assert polls.count == 2


async def test_an_event_during_a_poll_is_not_lost() -> None:
    """The job is asked for once more: the answer under way may be older than the event."""

    def at_poll(polls: Polls) -> None:
        if polls.count == 1:
            polls.followed.wake()

    polls = Polls(1, events=True, at_poll=at_poll)
    polls.endless = True
    async with asyncio.timeout(5):
        await polls.followed.run()
    assert polls.count == 2


async def test_after_an_event_pauses_are_short() -> None:
    """The state of the job may come later than the event."""

    def at_poll(polls: Polls) -> None:
        if polls.count == 1:
            polls.followed.wake()

    polls = Polls(3, events=True, at_poll=at_poll)
    await polls.followed.run()
    assert polls.pauses[1] <= 1
    assert polls.pauses[2] <= 2
