"""Sends dead letters back to the topics they came from: their bytes, keys and headers as they were.

The header `steno-redrives` counts how often a message was sent back. If it fails again, it is a new dead letter with that
header.

Letters are sent in batches. After each batch, when all replicas have it, its letters are marked in `dead-letters-redriven`. So
a run that was stopped is continued by the next one, and after a kill at most one batch is sent a second time, which readers of
these topics must bear from every producer (at least once).
"""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from steno.events.catalogue import DEAD_LETTERS, ENRICHER_CHANGELOG, REDRIVEN, Topic, catalogue
from steno.kafka.cluster import Cluster
from steno.kafka.errors import RecordRefused
from steno.kafka.letter_topic import LetterTopic
from steno.kafka.letters import REDRIVES, Letter
from steno.kafka.topics import create_topics

_BATCH = 500
_BATCH_BYTES = 8 << 20
_MOST_FAULTS = 20
_CREATE_SECONDS = 30.0

_NOT_TO = (DEAD_LETTERS, REDRIVEN, ENRICHER_CHANGELOG)


@dataclass(kw_only=True, slots=True)
class RedriveCount:
    """What a redrive did so far, in letters."""

    #: Looked at, of all in the topic.
    seen: int = 0
    #: Sent back, or in a dry run: to be sent.
    sent: int = 0
    #: Selected, but sent back by an earlier run.
    sent_before: int = 0
    #: Selected, but cannot be sent back.
    failed: int = 0
    #: Ids of the first of those, and why.
    faults: dict[str, str] = field(default_factory=dict)
    #: Whether it was stopped before the end.
    stopped: bool = False

    def fail(self, letter: Letter, reason: str) -> None:
        """Counts a letter that cannot be sent back."""
        self.failed += 1
        if len(self.faults) < _MOST_FAULTS:
            self.faults[letter.id] = reason


class Redrive:
    """One run over the dead letters that were there at its start."""

    def __init__(
        self,
        cluster: Cluster,
        letters: LetterTopic,
        select: Callable[[Letter], bool],
        *,
        stopping: asyncio.Event,
        per_second: float | None = None,
        dry_run: bool = False,
        report: Callable[[RedriveCount], None] = lambda _: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """
        Args:
            select: Chooses the letters.
            stopping: Ends the run after the current batch.
            per_second: The most letters sent a second; None does not limit them.
            dry_run: Send nothing, only count.
            report: Called as letters are read and sent.
            clock: Seconds of a monotonic clock.
        """
        self._cluster = cluster
        self._letters = letters
        self._select = select
        self._stopping = stopping
        self._per_second = per_second
        self._dry_run = dry_run
        self._report = report
        self._clock = clock
        self._topics = {cluster.topic_name(topic): topic for topic in catalogue().values() if topic not in _NOT_TO}
        self._batch: list[tuple[Letter, Topic]] = []
        self._batch_bytes = 0
        # With a rate, four batches a second, so that a stop takes effect soon.
        self._batch_most = _BATCH if per_second is None else max(1, min(_BATCH, int(per_second / 4)))
        self._next_at = 0.0
        self.count = RedriveCount()

    async def run(self) -> RedriveCount:
        """Runs to the end, or until it is stopped.

        Raises:
            KafkaUnavailable: Kafka is unreachable; a further run goes on from here.
            TopicMismatch: the topic for what was sent back cannot be made.
        """
        if not self._dry_run:
            await create_topics(self._cluster.kafka, self._cluster.topics, [REDRIVEN], seconds=_CREATE_SECONDS)
        self._next_at = self._clock()
        async for letter in self._letters.letters():
            if self._stopping.is_set():
                self.count.stopped = True
                break
            self.count.seen += 1
            if self._select(letter):
                await self._take(letter)
            if self.count.seen % _BATCH == 0:
                self._report(self.count)
        await self._flush()
        self._report(self.count)
        return self.count

    async def _take(self, letter: Letter) -> None:
        if self._letters.was_redriven(letter):
            self.count.sent_before += 1
            return
        topic = self._topics.get(letter.origin_topic)
        if letter.left_out:
            self.count.fail(
                letter, "it is only an outline, as Kafka refused the whole message; the original stands at its origin"
            )
        elif topic is None:
            self.count.fail(
                letter, f"its origin is {letter.origin_topic or 'not named'}, which is not a topic of this installation"
            )
        elif self._dry_run:
            self.count.sent += 1
        else:
            self._batch.append((letter, topic))
            self._batch_bytes += len(letter.key or b"") + len(letter.value or b"")
            if len(self._batch) >= self._batch_most or self._batch_bytes >= _BATCH_BYTES:
                await self._flush()

    async def _flush(self) -> None:
        """Sends the letters of the batch, and marks those that were sent; unless the run is stopped while it waits to."""
        batch, self._batch, self._batch_bytes = self._batch, [], 0
        if not batch:
            return
        if not await self._wait_for_turn(len(batch)):
            self.count.stopped = True
            return
        outcomes = await asyncio.gather(*(self._send(*entry) for entry in batch), return_exceptions=True)
        sent = [letter for (letter, _), outcome in zip(batch, outcomes, strict=True) if outcome is True]
        await asyncio.gather(*map(self._mark, sent))
        self.count.sent += len(sent)
        self._report(self.count)
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome

    async def _mark(self, letter: Letter) -> None:
        key, value = letter.id.encode(), str(letter.timestamp_ms).encode()
        await self._cluster.producer.send_raw(REDRIVEN, key=key, value=value, headers=())

    async def _wait_for_turn(self, letters: int) -> bool:
        """Waits until so many letters may be sent; returns False if the run was stopped meanwhile."""
        if self._per_second is None:
            return True  # what was read is sent, although the run was stopped
        self._next_at = max(self._next_at, self._clock())
        with suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, self._next_at - self._clock())):
                await self._stopping.wait()
                return False
        self._next_at += letters / self._per_second
        return True

    async def _send(self, letter: Letter, topic: Topic) -> bool:
        headers = [*letter.headers, (REDRIVES, str(letter.redrives + 1).encode())]
        try:
            await self._cluster.producer.send_raw(topic, key=letter.key, value=letter.value, headers=headers)
        except RecordRefused as error:
            self.count.fail(letter, str(error))
            return False
        return True
