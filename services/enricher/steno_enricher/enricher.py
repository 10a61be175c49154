"""What is done with each message, in the order that loses nothing.

The effects of a message come one after another, each on all replicas before the next: the insight, the row, and where a summary
is owed, the summary and the row again. The message counts as done after that. A process killed between any two of them does the
message again: what was published comes once more with the same id, and what the row has seen is not counted twice. A summary
that a row owes is published before anything else happens to the row, so a revision says the same however often it comes.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Protocol

import structlog
from structlog.contextvars import bound_contextvars

from steno.events.catalogue import CALL_SUMMARIES, INSIGHTS, PHRASES, Topic
from steno.events.records import CallRecord, CallState, Phrase, Record, TranscriptCompleted, TranscriptFailed
from steno.kafka.errors import RecordRefused, WrongRecord
from steno.kafka.messages import Message
from steno.telemetry import traces
from steno_enricher import metrics
from steno_enricher.analysed import Analysed
from steno_enricher.call_row import CallRow
from steno_enricher.pass_state import PassState
from steno_enricher.rows import Kind, Rows, call_key, ids_of, line_of, pass_key, pass_prefix

log = structlog.get_logger("steno.enricher")

# What takes the place of a live pass comes within hours of the call.
_KEEP_CALLS = timedelta(days=1)
_ROWS_AT_ONCE = 1000


class Publisher(Protocol):
    """Where insights and summaries go; `steno.kafka.producer.Producer` is one."""

    async def send(self, topic: Topic, record: Record, *, event_id: str | None = None) -> None:
        """Publishes; returns when it is safe. Raises `Retryable`."""


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
        grace: timedelta,
        inactive: timedelta,
    ) -> None:
        """
        Args:
            analyse: Reads a phrase, a long one off the event loop; the same phrase must always give the same.
            clock: The time, with its zone.
            keep_summarised: How long a row outlives its summary.
            grace: After which silence a live call that is over is summarised without its whole transcript.
            inactive: After which silence a live call is closed that nobody ended.
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
                case CallState() as state:
                    await self._call(state, message.partition)
                case _:
                    pass  # that a transcript was started, or a tombstone, says nothing of the call

    async def sweep(self) -> int:
        """Does what is due, takes the rows out that nothing more is to come for; returns to how many rows it did something.

        Raises:
            Retryable: not all is done; the next sweep does the rest.
        """
        swept = 0
        for number, (key, row) in enumerate(self._rows.items(), 1):
            if number % _ROWS_AT_ONCE == 0:
                await asyncio.sleep(0)
            if not (self._is_due(row) or self._is_stale(row)):
                continue
            async with self._one_at_a_time:
                swept += await self._swept(key)
        return swept

    async def _swept(self, key: bytes) -> bool:
        """Sees to one row as it is now."""
        row = self._rows.get(key)
        if row is not None and self._is_due(row):
            await self._time_out(key)
        elif row is not None and self._is_stale(row):
            await self._rows.delete(key)
            metrics.SWEPT.labels(line_of(row).kind).inc()
        else:
            return False
        return True

    def _is_due(self, row: bytes) -> bool:
        due_at = line_of(row).due_at
        return due_at is not None and due_at <= self._clock()

    def _is_stale(self, row: bytes) -> bool:
        line = line_of(row)
        return line.due_at is None and self._clock() - line.written_at > self._keep[line.kind]

    async def _time_out(self, key: bytes) -> None:
        call_id, recording_id = ids_of(key)
        state = self._load(call_id, recording_id)
        with bound_contextvars(call_id=call_id):
            if not state.owed:
                state.time_out()
                metrics.TIMED_OUT.labels("closed" if state.closed else "grace").inc()
                log.info("call.timed_out", recording_id=recording_id, phrases=state.phrase_count, closed=state.closed)
            await self._put(state, self._rows.partition(key))

    async def _phrase(self, phrase: Phrase, partition: int) -> None:
        state = await self._paid(phrase.call_id, phrase.recording_id, partition)
        if state.has_seen(phrase.sequence):
            metrics.SEEN_BEFORE.inc()
            return
        with metrics.ANALYSIS_SECONDS.time(), traces.span("analyse phrase"):
            analysed = await self._analyse(phrase)
        state.add(analysed.finding)
        insight = analysed.insight
        refusal: RecordRefused | None = None
        try:
            await self._publisher.send(INSIGHTS, insight, event_id=insight.insight_id)
        except RecordRefused as error:
            refusal = error
        else:
            metrics.INSIGHTS.inc()
        await self._put(state, partition)
        if refusal is not None:
            # The phrase counts all the same: the summary must not wait for it.
            raise refusal

    async def _completed(self, transcript: TranscriptCompleted, partition: int) -> None:
        state = await self._paid(transcript.call_id, transcript.recording_id, partition)
        state.complete(transcript)
        await self._put(state, partition)

    async def _failed(self, transcript: TranscriptFailed, partition: int) -> None:
        if self._rows.get(pass_key(transcript.call_id, transcript.recording_id)) is not None:
            state = await self._paid(transcript.call_id, transcript.recording_id, partition)
            state.failed = True
            await self._put(state, partition)

    async def _call(self, record: CallState, partition: int) -> None:
        """Keeps what is known of a call for the passes to come, then tells it to those there are."""
        call = self._known(record.call_id).merged(record)
        await self._rows.put(call_key(record.call_id), call.to_bytes(at=self._clock()), partition=partition)
        prefix = pass_prefix(record.call_id)
        for key in [key for key, _ in self._rows.items() if key.startswith(prefix)]:
            state = await self._paid(*ids_of(key), partition)
            # A live call's row is written even where nothing is new: the silence is counted from here.
            if state.hear_of(call) or state.is_live:
                await self._put(state, partition)

    def _known(self, call_id: str) -> CallRow:
        row = self._rows.get(call_key(call_id))
        return CallRow() if row is None else CallRow.from_bytes(row)

    def _load(self, call_id: str, recording_id: str) -> PassState:
        row = self._rows.get(pass_key(call_id, recording_id))
        if row is not None:
            return PassState.from_bytes(row, call_id=call_id, recording_id=recording_id)
        state = PassState(call_id=call_id, recording_id=recording_id)
        state.hear_of(self._known(call_id))
        return state

    async def _paid(self, call_id: str, recording_id: str, partition: int) -> PassState:
        """A pass that owes no summary."""
        state = self._load(call_id, recording_id)
        if state.owed:
            await self._put(state, partition)
        return state

    async def _put(self, state: PassState, partition: int) -> None:
        """Keeps a row, and publishes what it owes."""
        await self._write(state, partition)
        if state.owed:
            with traces.span("summarise call"):
                await self._summarise(state)
            state.told()
            await self._write(state, partition)

    async def _summarise(self, state: PassState) -> None:
        """Publishes a summary; without what others said of the call where it is too large with it. Raises `Retryable`."""
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
            state.outgrown()
            await self._put_row(state, partition)

    async def _put_row(self, state: PassState, partition: int) -> None:
        now = self._clock()
        wait = state.due_in(grace=self._grace, inactive=self._inactive)
        row = state.to_bytes(at=now, due_at=None if wait is None else now + wait)
        await self._rows.put(pass_key(state.call_id, state.recording_id), row, partition=partition)
