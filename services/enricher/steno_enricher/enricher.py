"""What is done with each message, in the order that loses nothing.

The effects of a message come one after another, each on all replicas before the next: the insight, the summary where the
recording is complete with it, the row. The message counts as done after the row. A process killed between any two of them does
the message again: what was published comes once more with the same id, and what the row has seen is not counted twice.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime, timedelta
from typing import Protocol

import structlog

from steno.events.catalogue import CALL_SUMMARIES, INSIGHTS, PHRASES, Topic
from steno.events.records import CallRecord, Phrase, Record, TranscriptCompleted, TranscriptFailed
from steno.kafka.errors import WrongRecord
from steno.kafka.messages import Message
from steno.telemetry import traces
from steno_enricher import metrics
from steno_enricher.analysed import Analysed
from steno_enricher.call_state import CallState, is_stale

log = structlog.get_logger("steno.enricher")


class Rows(Protocol):
    """The table: one row a recording, by call id and recording id, kept where another process finds it."""

    def get(self, key: bytes) -> bytes | None:
        """The row of a recording."""

    async def put(self, key: bytes, row: bytes, *, partition: int) -> None:
        """Keeps a row; returns when it is safe. Raises `Retryable`."""

    async def delete(self, key: bytes) -> None:
        """Takes a row out; returns when that is safe. Raises `Retryable`."""

    def items(self) -> Iterable[tuple[bytes, bytes]]:
        """Every row there is now."""


class Publisher(Protocol):
    """Where insights and summaries go; `steno.kafka.producer.Producer` is one."""

    async def send(self, topic: Topic, record: Record, *, event_id: str | None = None) -> None:
        """Publishes; returns when it is safe. Raises `Retryable`."""


def row_key(record: CallRecord, recording_id: str) -> bytes:
    """The key of a recording's row."""
    return json.dumps([record.call_id, recording_id], ensure_ascii=False, separators=(",", ":")).encode()


class Enricher:
    """Handles messages (`steno.kafka.messages.Handler`), one at a time."""

    def __init__(
        self,
        *,
        rows: Rows,
        publisher: Publisher,
        analyse: Callable[[Phrase], Awaitable[Analysed]],
        clock: Callable[[], datetime],
        keep_summarised: timedelta,
    ) -> None:
        """
        Args:
            analyse: Reads a phrase, off the event loop; the same phrase must always give the same.
            clock: The time, with its zone.
            keep_summarised: How long a row outlives its summary.
        """
        self._rows = rows
        self._publisher = publisher
        self._analyse = analyse
        self._clock = clock
        self._keep_finished = keep_summarised
        # A phrase that Kafka has thrown away will not come any more.
        self._keep_open = timedelta(milliseconds=PHRASES.retention_ms or 0)
        # The sweep must not take a row out while a message works on it.
        self._one_at_a_time = asyncio.Lock()

    async def __call__(self, message: Message) -> None:
        """Does all that one message asks for. Raises `Retryable`, `ContradictoryTranscript`, `WrongRecord`."""
        record = message.record
        if isinstance(record, CallRecord) and record.call_id != message.key:
            raise WrongRecord(
                f"the key is {message.key!r} but the call id is {record.call_id!r}; a call's records must have its id as key, "
                "so that they meet in one partition"
            )
        async with self._one_at_a_time:
            match record:
                case Phrase() as phrase:
                    await self._phrase(phrase, message.partition)
                case TranscriptCompleted() as transcript:
                    await self._completed(transcript, message.partition)
                case TranscriptFailed() as transcript:
                    await self._failed(transcript, message.partition)
                case _:
                    pass  # that a transcript was started, or a tombstone, says nothing of the call

    async def sweep(self) -> int:
        """Takes the rows out that nothing more is to come for, and returns how many. Raises `Retryable`."""
        swept = 0
        for key in [key for key, row in self._rows.items() if self._is_stale(row)]:
            async with self._one_at_a_time:
                row = self._rows.get(key)
                if row is None or not self._is_stale(row):
                    continue
                await self._rows.delete(key)
            state = row.partition(b"\n")[0].split()[1].decode()
            metrics.SWEPT.labels(state).inc()
            swept += 1
        return swept

    def _is_stale(self, row: bytes) -> bool:
        return is_stale(row, at=self._clock(), keep_finished=self._keep_finished, keep_open=self._keep_open)

    async def _phrase(self, phrase: Phrase, partition: int) -> None:
        state = self._state(phrase, phrase.recording_id)
        if state.has_seen(phrase.sequence):
            metrics.SEEN_BEFORE.inc()
            return
        with metrics.ANALYSIS_SECONDS.time(), traces.span("analyse phrase"):
            analysed = await self._analyse(phrase)
        state.take(analysed.finding)
        insight = analysed.insight
        await self._publisher.send(INSIGHTS, insight, event_id=insight.insight_id)
        metrics.INSIGHTS.inc()
        await self._settle(state, phrase, phrase.recording_id, partition)

    async def _completed(self, transcript: TranscriptCompleted, partition: int) -> None:
        state = self._state(transcript, transcript.recording_id)
        state.complete(transcript)
        await self._settle(state, transcript, transcript.recording_id, partition)

    async def _failed(self, transcript: TranscriptFailed, partition: int) -> None:
        if self._rows.get(row_key(transcript, transcript.recording_id)) is not None:
            state = self._state(transcript, transcript.recording_id)
            state.failed = True
            await self._settle(state, transcript, transcript.recording_id, partition)

    async def _settle(self, state: CallState, record: CallRecord, recording_id: str, partition: int) -> None:
        now = self._clock()
        if state.is_complete and not state.summarised:
            with traces.span("summarise call"):
                summary = state.summary(at=now)
                await self._publisher.send(CALL_SUMMARIES, summary, event_id=summary.summary_id)
            state.summarised = True
            metrics.SUMMARIES.inc()
            log.info("call.summarised", recording_id=recording_id, phrases=summary.phrase_count)
        await self._rows.put(row_key(record, recording_id), state.to_bytes(at=now), partition=partition)

    def _state(self, record: CallRecord, recording_id: str) -> CallState:
        row = self._rows.get(row_key(record, recording_id))
        if row is None:
            return CallState(call_id=record.call_id, recording_id=recording_id)
        return CallState.from_bytes(row, call_id=record.call_id, recording_id=recording_id)
