"""Transcribes one live call: decodes its utterances concurrently, and publishes them in the order in which they ended.

| what happens | what follows |
|---|---|
| the call begins | `TranscriptStarted` |
| an utterance was heard, and those before it are published | `Phrase`, if there is text; else what it was, at the end |
| the audio broke off, or nobody speaks, and those before it are published | `CaptionsReached` (`captions_reached`) |
| the call is over and all phrases are out | `TranscriptCompleted` |
| the engine does not know the language, the codec is unknown, an error that stays | `TranscriptFailed`, and nothing after it |
| Kafka will never take a record of it | the same |
| too many of its records are unusable, or a fault of ours keeps one from being taken | what was said before, then the same |
| Kafka is away | the same record again, for ever |

Whoever takes the call over says the same again under the same ids.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import structlog

from steno.errors import Permanent
from steno.events import ids
from steno.events.recognition import RecognitionOptions
from steno.events.records import AudioCodec, CallCheckpoint, Record, Role
from steno.kafka.errors import RecordRefused
from steno.kafka.messages import Message
from steno.telemetry import traces
from steno.unusable_records import ERROR, UnusableRecord, UnusableScore, failure_reason
from steno_transcriber import metrics
from steno_transcriber.decode_pool import Urgency
from steno_transcriber.engines.port import EngineInfo
from steno_transcriber.live.audio_backlog import AudioBacklog
from steno_transcriber.live.call import LiveCall, LiveUtterance
from steno_transcriber.live.captions_reached import CaptionsReachedPublisher, Mark, Marks
from steno_transcriber.live.catching_up import CatchingUp
from steno_transcriber.live.hypotheses import Hypotheses
from steno_transcriber.live.hypothesis_publisher import HypothesisPublisher
from steno_transcriber.live.record_buffer import BufferedRecord, TooFarAhead
from steno_transcriber.live.resources import LiveResources
from steno_transcriber.publisher import Retrying, RetryingPublisher
from steno_transcriber.result import Spoken, engine_name, phrase_of, without_words
from steno_transcriber.screening import Outcome
from steno_transcriber.transcript_publisher import TranscriptPublisher

log = structlog.get_logger("steno.transcriber.live")

INTERNAL = "an internal error of the transcriber; its log has the details"


class InternalFault(Permanent):
    """An internal error ends a call."""

    error_class = "internal"

    def __init__(self) -> None:
        super().__init__(INTERNAL)


class UnusableCall(Permanent):
    """Too many records of a call are unusable."""

    error_class = ERROR


class UnknownCodec(Permanent):
    """The audio of a call is coded in a way that this version does not know."""

    error_class = "unknown_codec"


@dataclass(frozen=True, slots=True, eq=False)
class _Decoding:
    spoken: LiveUtterance
    task: asyncio.Task[Outcome]
    #: Where its audio counts while it waits.
    backlogs: tuple[AudioBacklog, ...]

    def leave_backlogs(self) -> None:
        """It waits no longer."""
        for backlog in self.backlogs:
            backlog.leave(self.spoken.utterance.samples)


class CallWorker:
    """Runs the task that transcribes one call and publishes its phrases."""

    def __init__(
        self,
        checkpoint: CallCheckpoint,
        resources: LiveResources,
        *,
        trace: Mapping[str, bytes] | None = None,
        call: LiveCall | None = None,
    ) -> None:
        """
        Args:
            checkpoint: From where the call goes on.
            resources: What it works with.
            trace: The headers of its start; of a call that begins now. One that was begun by another has none.
            call: The call itself, where it is not cut into utterances here.
        """
        self.call = call or LiveCall(checkpoint)
        self._codec = checkpoint.codec
        self._resources = resources
        self._steps = resources.steps.asked_for(checkpoint.options)
        self._hypothesis_publisher = HypothesisPublisher(self.call, publisher=resources.publisher, steps=self._steps)
        self._hypotheses = Hypotheses(
            self.call, resources.hypotheses, engines=resources.engines, publisher=self._hypothesis_publisher
        )
        self._marks = Marks(self.call)
        self._reached = CaptionsReachedPublisher(
            self.call, publisher=resources.publisher, policy=resources.policy, sleep=resources.sleep
        )
        self._pass_id = ids.live_pass_id(checkpoint.call_id)
        self._retrying = Retrying(resources.policy, sleep=resources.sleep)
        self._transcript = TranscriptPublisher(
            RetryingPublisher(resources.publisher, self._retrying, call_id=checkpoint.call_id),
            call_id=checkpoint.call_id,
            recording_id=self._pass_id,
            tenant=checkpoint.tenant,
            now=resources.now,
        )
        self._trace = trace or {}
        self._announced = trace is None
        self._decodings: asyncio.Queue[_Decoding | Mark | Permanent | None] = asyncio.Queue()
        self._unusable = UnusableScore()
        self._given_up = False
        self._catching_up = CatchingUp(
            self.call,
            self._hear_later,
            failed=lambda error: self.give_up(error or InternalFault()),
            backlog=resources.backlog,
            late_backlog=resources.late_backlog,
            folder=resources.buffer_folder,
            budget=resources.buffer_budget,
        )
        self._done = False
        self._log = log.bind(call_id=checkpoint.call_id)
        if self._announced and (mark := self._marks.at_break()) is not None:
            # Whoever had the call may have ended before it was sent.
            self._publish_mark(mark)
        self._task = asyncio.create_task(self._run(), name=f"call {checkpoint.call_id}")

    @property
    def announced(self) -> bool:
        """Whether the start of the transcript is published."""
        return self._announced

    @property
    def done(self) -> bool:
        """Whether the transcript is completed, or has failed.

        Raises:
            StenoError: neither can be told; there is no going on.
        """
        if self._task.done() and not self._task.cancelled() and (error := self._task.exception()) is not None:
            raise error
        return self._done

    def add_record(self, message: Message) -> None:
        """Adds the next record of the call.

        Raises:
            UnusableRecord: it does not fit the call.
        """
        if self._over or self._codec is AudioCodec.UNKNOWN or message.record is None:
            return
        record, offset, written_at = message.record, message.offset, message.timestamp
        if self.buffered_from is None and self._catching_up.may_hear:
            self._hear(record, offset=offset, written_at=written_at)
            return
        try:
            self._catching_up.buffer(BufferedRecord(offset=offset, written_at=written_at, record=record))
        except TooFarAhead as error:
            self._catching_up.stop()
            self.give_up(error)

    @property
    def buffered_from(self) -> int | None:
        """The offset of the first record that was taken and is buffered; None where none is."""
        return self._catching_up.first_offset

    def rest(self) -> None:
        """Ends open utterances, because nothing has come for long."""
        if self.buffered_from is not None:
            self._catching_up.once_done(self.rest)
        elif not self._over:
            self._line_up(self.call.rest())

    def end(self) -> None:
        """Ends the call."""
        if self.buffered_from is not None:
            self._catching_up.once_done(self.end)
        elif not self._over:
            self._line_up(self.call.end())

    @property
    def _over(self) -> bool:
        """Whether nothing more is taken."""
        return self.call.ended or self._given_up or self._task.done()

    def refuse(self, error: Permanent) -> None:
        """Counts a record that does not fit the call: the first is logged, and too many fail the call."""
        metrics.LIVE_UNUSABLE_RECORDS.inc()
        if not self._unusable.weight:
            self._log.warning("live.unusable", error_class=error.error_class, reason=str(error))
        if self._unusable.add_unusable():
            self.give_up(UnusableCall(failure_reason(str(error))))

    def give_up(self, error: Permanent) -> None:
        """Fails the call, after what was said so far is published."""
        self._given_up = True
        self._decodings.put_nowait(error)

    async def stop(self) -> None:
        """Stops the work on the call; another process resumes it from the last checkpoint."""
        self._catching_up.stop()
        await self._hypotheses.stop()
        self._task.cancel()
        await asyncio.wait([self._task])
        await self._reached.stop()

    def _hear(self, record: Record, *, offset: int, written_at: datetime) -> None:
        before, audio_before = self.call.duration_ms, self.call.audio
        self._line_up(self.call.add_record(record, offset=offset, written_at=written_at))
        if self.call.audio > audio_before:
            self._unusable.add_usable()
        metrics.LIVE_AUDIO_SECONDS.inc((self.call.duration_ms - before) / 1000)

    def _hear_later(self, buffered: BufferedRecord) -> None:
        if self._over:
            return
        try:
            self._hear(buffered.record, offset=buffered.offset, written_at=buffered.written_at)
        except UnusableRecord as error:
            self.refuse(error)
        except Exception:
            log.exception("live.failed_unexpectedly", call_id=self.call.call_id)
            self.give_up(InternalFault())

    def _line_up(self, found: list[LiveUtterance]) -> None:
        # First: of what has ended there are no hypotheses any more.
        self._hypotheses.update(late=self._catching_up.late)
        for spoken in found:
            urgency = self._catching_up.urgency
            backlogs = self._catching_up.enter(spoken.utterance.samples)
            self._decodings.put_nowait(_Decoding(spoken, asyncio.create_task(self._decode(spoken, urgency)), backlogs))
        if self.call.ended:
            self._decodings.put_nowait(None)
        elif (mark := self._marks.at_break() or self._marks.in_silence(self.call.duration_ms)) is not None:
            self._decodings.put_nowait(mark)

    async def _decode(self, spoken: LiveUtterance, urgency: Urgency) -> Outcome:
        call_id = self.call.call_id
        return await self._retrying.run(
            lambda: self._resources.decoder.decode(spoken.utterance, call_id=call_id, urgency=urgency, options=spoken.options),
            call_id=call_id,
        )

    async def _run(self) -> None:
        try:
            await self._transcribe()
        except Permanent as error:
            await self._fail(str(error), error.error_class)
        except Exception:
            log.exception("live.failed_unexpectedly", call_id=self.call.call_id)
            await self._fail(INTERNAL, InternalFault.error_class)
        finally:
            self._let_go()
        self._done = True

    async def _announce(self) -> None:
        """Publishes the start of the transcript."""
        if not self._announced:
            await self._transcript.publish_started()
            self._announced = True
        if self._codec is AudioCodec.UNKNOWN:
            raise UnknownCodec("the audio is coded in a way that this version of the transcriber does not know")

    async def _transcribe(self) -> None:
        await self._announce()
        # Chosen now rather than when somebody has spoken.
        engine = self._resources.engines.choose(self.call.options)
        while (decoding := await self._decodings.get()) is not None:
            if isinstance(decoding, Permanent):
                raise decoding
            if isinstance(decoding, Mark):
                self._publish_mark(decoding)
                continue
            try:
                await self._publish(decoding)
            finally:
                decoding.leave_backlogs()
        await self._complete(engine.info)

    def _publish_mark(self, mark: Mark) -> None:
        """Publishes how far the captions are: all that was said before the mark is published."""
        self._marks.take(mark)
        self._reached.publish(mark)

    async def _publish(self, decoding: _Decoding) -> None:
        spoken = decoding.spoken
        with traces.continue_trace(self._trace, "live.phrase", channel=spoken.utterance.channel):
            try:
                understood = await decoding.task
            finally:
                decoding.task.cancel()
            recognition = understood.recognition
            states = None
            if recognition:
                part = Spoken.of(spoken.utterance, recognition)
                states = await self._publish_phrase(
                    part,
                    role=spoken.role,
                    options=spoken.options,
                    engine=self._resources.engines.choose_for_utterances(spoken.options).info,
                    said_at=spoken.said_at,
                )
        self.call.note_published(spoken.utterance, step_states=states, observation=understood.observation)

    async def _publish_phrase(
        self, part: Spoken, *, role: Role, options: RecognitionOptions, engine: EngineInfo, said_at: datetime
    ) -> Mapping[str, str]:
        """Gives what the steps remember behind it."""
        phrase = phrase_of(
            part,
            call_id=self.call.call_id,
            recording_id=self._pass_id,
            sequence=self.call.next_phrase,
            role=role,
            options=options,
            tenant=self.call.tenant,
            engine=engine,
        )
        phrase, states = self._steps.apply(phrase, self.call.step_states)
        await self._transcript.publish_phrase(without_words(phrase) if not options.words else phrase)
        metrics.LIVE_FINAL_SECONDS.observe((self._resources.now() - said_at).total_seconds())
        return states

    async def _complete(self, engine: EngineInfo) -> None:
        call = self.call
        completed = await self._transcript.publish_completed(
            phrase_count=call.next_phrase,
            channel_count=len(call.facts.channels),
            duration_ms=call.duration_ms,
            observations=call.observations_of_all,
            engine=engine_name(engine),
            locale=call.facts.locale,
            properties=call.facts.properties,
        )
        metrics.LIVE_CALLS.labels(completed.outcome).inc()
        self._log.info("live.completed", phrases=call.next_phrase, duration_ms=call.duration_ms)

    async def _fail(self, reason: str, error: str) -> None:
        try:
            await self._transcript.publish_failed(reason, error, properties=self.call.facts.properties)
        except RecordRefused:
            self._log.exception("live.failure_not_told")
        metrics.LIVE_CALLS.labels("failed").inc()
        self._log.warning("live.failed", error_class=error, reason=reason)
        # Where it had not been told that it starts, it need not be any more.
        self._announced = True

    def _let_go(self) -> None:
        """Drops all queued work."""
        self._catching_up.stop()
        self._hypotheses.end()
        self._reached.end()
        while not self._decodings.empty():
            if isinstance(decoding := self._decodings.get_nowait(), _Decoding):
                decoding.task.cancel()
                decoding.leave_backlogs()
