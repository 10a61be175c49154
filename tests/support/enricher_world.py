"""An enricher over a table and topics kept in memory, which can be killed between any two of its effects."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta

from steno_enricher.analysed_phrase import AnalysedPhrase
from steno_enricher.enricher import Enricher
from steno_enricher.ranking import KeyPhrase

from steno.events.catalogue import CALLS, PHRASES, TRANSCRIPTS, Topic
from steno.events.records import CallRecord, CallState, Phrase, Record
from steno.kafka.errors import RecordRefused
from steno.kafka.messages import Message

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
GRACE = timedelta(minutes=2)
INACTIVE = timedelta(hours=6)


class Killed(BaseException):
    """The process is gone."""


class World:
    """What outlives a process: topics and the changelog. `lives` is how many effects happen before the process is killed."""

    def __init__(self) -> None:
        self.published: list[tuple[Topic, Record]] = []
        self.changelog: dict[bytes, bytes] = {}
        self.lives: int | None = None
        self.now = NOW
        #: What Kafka will never take.
        self.refuses: Callable[[Record], bool] = lambda _: False
        #: The most bytes of a row that it takes.
        self.widest_row = 1_000_000
        #: Of an insight and a row that are written side by side, the row is stored first.
        self.rows_first = False

    def effect(self) -> None:
        """One more effect, unless this is where the process dies."""
        if self.lives is not None:
            if self.lives == 0:
                raise Killed
            self.lives -= 1

    async def send(self, topic: Topic, record: Record, *, event_id: str | None = None) -> None:
        if self.rows_first:
            await asyncio.sleep(0)
        self.effect()
        if self.refuses(record):
            raise RecordRefused("too large")
        self.published.append((topic, record))

    def of(self, topic: Topic) -> list[Record]:
        """What stands on a topic."""
        return [record for where, record in self.published if where is topic]


class Rows:
    """The table of one process over the changelog of the world."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._memory = dict(world.changelog)

    def get(self, key: bytes) -> bytes | None:
        return self._memory.get(key)

    async def put(self, key: bytes, row: bytes, *, partition: int) -> None:
        self._world.effect()
        if len(row) > self._world.widest_row:
            raise RecordRefused("too large")
        self._world.changelog[key] = self._memory[key] = row

    async def delete(self, key: bytes) -> None:
        self._world.effect()
        del self._world.changelog[key], self._memory[key]

    def partition(self, key: bytes) -> int:
        assert key in self._memory
        return 0

    def items(self) -> Iterator[tuple[bytes, bytes]]:
        return iter(list(self._memory.items()))


async def _analyse(phrase: Phrase) -> AnalysedPhrase:
    words = phrase.text.split()
    return AnalysedPhrase(
        phrase=phrase,
        sentiment=len(words) / 10,
        key_phrases=tuple(KeyPhrase(word, 100 + len(word)) for word in sorted(set(words))),
    )


def make_enricher(world: World, *, now: datetime | None = None) -> Enricher:
    """A process of the enricher."""
    return Enricher(
        rows=Rows(world),
        publisher=world,
        analyse=_analyse,
        clock=lambda: now or world.now,
        keep_summarised=timedelta(hours=1),
        grace=GRACE,
        inactive=INACTIVE,
    )


def message(record: CallRecord, *, key: str | None = None) -> Message:
    """A record as it stands on its topic."""
    return Message(
        topic=PHRASES if isinstance(record, Phrase) else CALLS if isinstance(record, CallState) else TRANSCRIPTS,
        partition=0,
        offset=0,
        key=key or record.call_id,
        record=record,
        headers={},
        timestamp=NOW,
    )


async def run(world: World, records: Sequence[CallRecord | timedelta], kills: Sequence[tuple[int, int]]) -> None:
    """Handles the records in order; where a time stands among them, it passes and the sweep comes.

    A kill is after how many effects it comes, and how far the last commit is behind then.
    """
    pending = list(kills)
    done = 0
    while done < len(records):
        world.lives, behind = pending.pop() if pending else (None, 0)
        enricher = make_enricher(world)
        try:
            for record in records[done:]:
                if isinstance(record, timedelta):
                    world.now += record
                    await enricher.sweep()
                else:
                    await enricher(message(record))
                done += 1
        except Killed:
            done = max(0, done - behind)
