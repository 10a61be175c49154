"""Handles messages: analyses phrases, publishes insights and summaries, and updates the table, in an order that loses nothing.

The insight of a phrase and the row that counts it are written side by side; where a summary is due, it follows the row, and the
row again. Each write waits for all replicas, and only when all are stored does the message count as done. A process that is
killed before that handles the message again: the row counts no phrase twice, and the insight of a phrase that is counted
already is published again, with the same id, since the row may have been stored without it. A summary that is due is published
before the row changes in any other way, so a revision has the same content however often it is sent.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Protocol

import structlog
from structlog.contextvars import bound_contextvars

from steno.events.catalogue import CALL_SUMMARIES, INSIGHTS, PHRASES, Topic
from steno.events.records import CallRecord, CallState, Insight, Phrase, Record, TranscriptCompleted, TranscriptFailed
from steno.kafka.errors import RecordRefused, WrongRecord
from steno.kafka.messages import Message
from steno.telemetry import traces
from steno_enricher import metrics
from steno_enricher.analysed_phrase import AnalysedPhrase
from steno_enricher.call_row import CallRow
from steno_enricher.pass_state import PassState
from steno_enricher.rows import Kind, Rows, call_key, ids_of, pass_key, pass_prefix, read_header

log = structlog.get_logger("steno.enricher")

# What takes the place of a live pass comes within hours of the call.
_KEEP_CALLS = timedelta(days=1)
_ROWS_AT_ONCE = 1000


class Publisher(Protocol):
    """Publishes records; `steno.kafka.producer.Producer` is one."""

    async def send(self, topic: Topic, record: Record, *, event_id: str | None = None) -> None:
        """Publishes a record and returns when it is stored on all replicas. Raises `Retryable`."""


class Enricher:
    """Handles messages (`steno.kafka.messages.Handler`), one at a time."""

    def __init__(
        self,
        *,
        rows: Rows,
        publisher: Publisher,
        analyse: Callable[[Phrase], Awaitable[AnalysedPhrase]],
        clock: Callable[[], datetime],
        keep_summarised: timedelta,
        grace: timedelta,
        inactive: timedelta,
    ) -> None:
        """
        Args:
            analyse: Analyses a phrase, a long one in a thread; the same phrase must always give the same result.
            clock: Gives the time, with its zone.
            keep_summarised: How long a row is kept after its summary.
            grace: How long nothing comes before a live call that has ended is summarised without its whole transcript.
            inactive: How long nothing comes before a live call that nobody ended is closed.
        """
        self._rows = rows
        self._publisher = publisher
        self._analyse = analyse
        self._clock = clock
        self._keep = {
            Kind.FINISHED: keep_summarised,
            # A phrase that Kafka has thrown away will not come any more.
            Kind.OPEN: timedelta(milliseconds=PHRASES.retention_ms or 0),
            Kind.CALL: _KEEP_CALLS,
        }
        self._grace = grace
        self._inactive = inactive
        # The sweep must not touch a row while a message works on it.
        self._one_at_a_time = asyncio.Lock()

    async def __call__(self, message: Message) -> None:
        """Handles one message. Raises `Retryable`, `ContradictoryTranscript`, `WrongRecord`."""
        record = message.record
        if isinstance(record, CallRecord) and record.call_id != message.key:
            raise WrongRecord(
                f"the key is {message.key!r} but the call id is {record.call_id!r}; a call's records must have its id as key, "
                "so that they meet in one partition"
            )
        async with self._one_at_a_time:
            match record:
                case Phrase() as phrase:
                    await self._handle_phrase(phrase, message.partition)
                case TranscriptCompleted() as transcript:
                    await self._handle_completed(transcript, message.partition)
                case TranscriptFailed() as transcript:
                    await self._handle_failed(transcript, message.partition)
                case CallState() as state:
                    await self._handle_call(state, message.partition)
                case _:
                    pass  # that a transcript was started, or a tombstone, says nothing of the call

    async def sweep(self) -> int:
        """Handles the rows that are due and deletes those no longer needed; returns how many rows that were.

        Raises:
            Retryable: Kafka is not available; the next sweep does the rest.
        """
        swept = 0
        for number, (key, row) in enumerate(self._rows.items(), 1):
            if number % _ROWS_AT_ONCE == 0:
                await asyncio.sleep(0)
            if not (self._is_due(row) or self._is_stale(row)):
                continue
            async with self._one_at_a_time:
                swept += await self._sweep_row(key)
        return swept

    async def _sweep_row(self, key: bytes) -> bool:
        """Handles or deletes one row, where its present content asks for that; returns whether it did."""
        row = self._rows.get(key)
        if row is not None and self._is_due(row):
            await self._time_out(key)
        elif row is not None and self._is_stale(row):
            await self._rows.delete(key)
            metrics.SWEPT.labels(read_header(row).kind).inc()
        else:
            return False
        return True

    def _is_due(self, row: bytes) -> bool:
        due_at = read_header(row).due_at
        return due_at is not None and due_at <= self._clock()

    def _is_stale(self, row: bytes) -> bool:
        line = read_header(row)
        return line.due_at is None and self._clock() - line.written_at > self._keep[line.kind]

    async def _time_out(self, key: bytes) -> None:
        call_id, recording_id = ids_of(key)
        state = self._load(call_id, recording_id)
        with bound_contextvars(call_id=call_id):
            if not state.owed:
                state.time_out()
                metrics.TIMED_OUT.labels("closed" if state.closed else "grace").inc()
                log.info("call.timed_out", recording_id=recording_id, phrases=state.phrase_count, closed=state.closed)
            await self._save(state, self._rows.partition(key))

    async def _handle_phrase(self, phrase: Phrase, partition: int) -> None:
        state = await self._load_settled(phrase.call_id, phrase.recording_id, partition)
        with metrics.ANALYSIS_SECONDS.time(), traces.span("analyse phrase"):
            analysed = await self._analyse(phrase)
        if state.has_seen(phrase.sequence):
            metrics.SEEN_BEFORE.inc()
            await self._publish(analysed.insight)
            return
        state.add(analysed.finding)
        outcomes = await asyncio.gather(self._publish(analysed.insight), self._save(state, partition), return_exceptions=True)
        failures = [outcome for outcome in outcomes if outcome is not None]
        # A phrase whose insight Kafka refuses counts all the same: the summary must not wait for it.
        for failure in sorted(failures, key=lambda failure: isinstance(failure, RecordRefused)):
            raise failure

    async def _publish(self, insight: Insight) -> None:
        await self._publisher.send(INSIGHTS, insight, event_id=insight.insight_id)
        metrics.INSIGHTS.inc()

    async def _handle_completed(self, transcript: TranscriptCompleted, partition: int) -> None:
        state = await self._load_settled(transcript.call_id, transcript.recording_id, partition)
        state.complete(transcript)
        await self._save(state, partition)

    async def _handle_failed(self, transcript: TranscriptFailed, partition: int) -> None:
        if self._rows.get(pass_key(transcript.call_id, transcript.recording_id)) is not None:
            state = await self._load_settled(transcript.call_id, transcript.recording_id, partition)
            state.failed = True
            await self._save(state, partition)

    async def _handle_call(self, record: CallState, partition: int) -> None:
        """Stores what is known of a call, for later passes, then updates the passes there are."""
        call = self._load_call(record.call_id).merge(record)
        await self._rows.put(call_key(record.call_id), call.to_bytes(at=self._clock()), partition=partition)
        prefix = pass_prefix(record.call_id)
        for key in [key for key, _ in self._rows.items() if key.startswith(prefix)]:
            state = await self._load_settled(*ids_of(key), partition)
            # A live call's row is written even where nothing is new: the silence is counted from here.
            if state.update_call(call) or state.is_live:
                await self._save(state, partition)

    def _load_call(self, call_id: str) -> CallRow:
        row = self._rows.get(call_key(call_id))
        return CallRow() if row is None else CallRow.from_bytes(row)

    def _load(self, call_id: str, recording_id: str) -> PassState:
        row = self._rows.get(pass_key(call_id, recording_id))
        if row is not None:
            return PassState.from_bytes(row, call_id=call_id, recording_id=recording_id)
        state = PassState(call_id=call_id, recording_id=recording_id)
        state.update_call(self._load_call(call_id))
        return state

    async def _load_settled(self, call_id: str, recording_id: str, partition: int) -> PassState:
        """Loads a pass, and publishes its summary first where one is due."""
        state = self._load(call_id, recording_id)
        if state.owed:
            await self._save(state, partition)
        return state

    async def _save(self, state: PassState, partition: int) -> None:
        """Writes a row, and publishes its summary where one is due."""
        await self._write(state, partition)
        if state.owed:
            with traces.span("summarise call"):
                await self._summarise(state)
            state.note_published()
            await self._write(state, partition)

    async def _summarise(self, state: PassState) -> None:
        """Publishes a summary, without properties and key phrases where it is too large with them. Raises `Retryable`."""
        summary = state.summary(at=self._clock())
        # The same id in each revision: the newest of an id counts, as the record says.
        event_id = f"{summary.summary_id}/{summary.revision}"
        for told in (summary, summary.model_copy(update={"properties": {}, "key_phrases": ()})):
            try:
                await self._publisher.send(CALL_SUMMARIES, told, event_id=event_id)
            except RecordRefused as error:
                log.error("summary.refused", recording_id=state.recording_id, reason=str(error))
                continue
            metrics.SUMMARIES.inc()
            log.info(
                "call.summarised",
                recording_id=state.recording_id,
                phrases=summary.phrase_count,
                revision=summary.revision,
                complete=state.is_complete,
            )
            return

    async def _write(self, state: PassState, partition: int) -> None:
        try:
            await self._put_row(state, partition)
        except RecordRefused as error:
            log.error("pass.overgrown", call_id=state.call_id, recording_id=state.recording_id, reason=str(error))
            metrics.OVERGROWN.inc()
            state.discard()
            await self._put_row(state, partition)

    async def _put_row(self, state: PassState, partition: int) -> None:
        now = self._clock()
        wait = state.due_in(grace=self._grace, inactive=self._inactive)
        row = state.to_bytes(at=now, due_at=None if wait is None else now + wait)
        await self._rows.put(pass_key(state.call_id, state.recording_id), row, partition=partition)
