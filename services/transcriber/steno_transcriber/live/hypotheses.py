"""What the engine thinks so far of what is being said in a call, as often as the machine has time for.

| when a record of the call was taken | what follows |
|---|---|
| an utterance was asked of 0.2 s ago or earlier, or began then and never was | a hypothesis, if the machine has time for it |
| the same, 0.8 s ago or earlier, of a call that is not late | a hypothesis, before recordings and behind finals |
| a hypothesis is in line or being decoded | none beside it; one in line will hear what has come |
| what is said is so far but a copy of another channel | none |
| the utterance has ended | nothing more of it: its phrase comes next |

Nothing is kept of them: who takes a call over begins anew, and while Kafka is away they are dropped.
"""

import asyncio
import time
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import ParamSpec, Protocol, TypeVar

import structlog

from steno.errors import StenoError
from steno.events import ids
from steno.events.catalogue import HYPOTHESES
from steno.events.records import Hypothesis, Phrase
from steno.kafka.errors import KafkaUnavailable
from steno_transcriber import metrics
from steno_transcriber.decode_pool import Urgency
from steno_transcriber.engines.choice import Engines
from steno_transcriber.live.call import LiveCall
from steno_transcriber.live.channel import LiveChannel
from steno_transcriber.live.growing import Growing
from steno_transcriber.live.slack import Slack
from steno_transcriber.publisher import Publisher
from steno_transcriber.speech import Recognition
from steno_transcriber.steps import Steps

log = structlog.get_logger("steno.transcriber.live")

P = ParamSpec("P")
T = TypeVar("T")

SOONEST_SECONDS = 0.2
"""Nobody reads captions faster."""

DUE_SECONDS = 0.8
"""With a chunk's length and the decoding of it, one a second comes of it."""


class Pool(Protocol):
    """Threads with a line before them."""

    @property
    def idle(self) -> bool:
        """Whether a thread has nothing to do."""

    def submit_urgent(
        self, urgency: Urgency, owner: Hashable, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs
    ) -> Future[T]:
        """Line up work, without blocking; owners take turns."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HypothesisBench:
    """What the hypotheses of all calls of the process share. The clock is in seconds, and never goes back."""

    engines: Engines
    pool: Pool
    publisher: Publisher
    slack: Slack = field(default_factory=Slack)
    steps: Steps = field(default_factory=Steps)
    clock: Callable[[], float] = time.monotonic


class Hypotheses:
    """The hypotheses of one call. Called on the event loop."""

    def __init__(self, call: LiveCall, bench: HypothesisBench) -> None:
        self._call = call
        self._bench = bench
        self._pass_id = ids.live_pass_id(call.call_id)
        self._growing: list[Growing | None] = [None] * len(call.channels)
        self._tasks: set[asyncio.Task[None]] = set()
        self._log = log.bind(call_id=call.call_id)

    def heard(self, *, late: bool = False) -> None:
        """The call has gone on. Cheap where nobody speaks: this comes with every record.

        Args:
            late: Nobody can follow the call now: there are hypotheses only while the machine has time for them.
        """
        for index, channel in enumerate(self._call.channels):
            start_ms, growing = channel.open_since_ms, self._growing[index]
            if growing is not None and growing.start_ms != start_ms:
                growing.end()
                growing = self._growing[index] = None
            if start_ms is None:
                continue
            if growing is None:
                growing = self._growing[index] = self._begin(channel)
            self._go_on(growing, channel, late=late)

    def end(self) -> None:
        """The call is of no interest any more."""
        for index, growing in enumerate(self._growing):
            if growing is not None:
                growing.end()
                self._growing[index] = None

    async def stop(self) -> None:
        """End, and let go of what is under way."""
        self.end()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def _machine_has_time(self) -> bool:
        return self._bench.pool.idle and self._bench.slack.spare

    def _begin(self, channel: LiveChannel) -> Growing:
        utterance = channel.open_utterance
        assert utterance is not None  # it is open
        options = self._call.options_of(utterance.start_ms)
        began_at = self._bench.clock() - utterance.duration_ms / 1000
        return Growing(utterance, channel.form, self._bench.engines, options=options, at=began_at)

    def _go_on(self, growing: Growing, channel: LiveChannel, *, late: bool) -> None:
        if growing.under_way:
            if growing.in_line:
                growing.take(channel.open_audio(after=growing.taken))
            return
        now = self._bench.clock()
        elapsed = now - growing.asked_at
        urgency = Urgency.HYPOTHESIS if elapsed >= DUE_SECONDS and not late else Urgency.SPARE
        if elapsed < SOONEST_SECONDS or (urgency is Urgency.SPARE and not self._machine_has_time):
            return
        if self._call.copying(growing.channel):
            growing.asked_at = now
            return
        growing.take(channel.open_audio(after=growing.taken))
        if growing.has_news:
            decoding = self._bench.pool.submit_urgent(urgency, self._call.call_id, growing.decode)
            growing.asked(decoding, at=now)
            task = asyncio.create_task(self._hypothesise(growing, decoding))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _hypothesise(self, growing: Growing, decoding: Future[Recognition]) -> None:
        try:
            recognition = await asyncio.wrap_future(decoding)
            metrics.LIVE_HYPOTHESIS_SECONDS.observe(growing.answered(at=self._bench.clock()))
            if recognition and not growing.over:
                await self._publish(growing, recognition)
            growing.under_way = False
        except KafkaUnavailable as error:
            growing.under_way = False
            self._log.debug("live.hypothesis_dropped", reason=str(error))
        # After another error it is under way for ever: the phrase meets the same one, and the call fails by it.
        except StenoError as error:
            self._log.warning("live.hypothesis_failed", error_class=error.error_class, reason=str(error))
        except Exception:
            log.exception("live.hypothesis_failed_unexpectedly", call_id=self._call.call_id)

    async def _publish(self, growing: Growing, recognition: Recognition) -> None:
        text = self._as_published(growing, recognition)
        hypothesis = Hypothesis(
            call_id=self._call.call_id,
            recording_id=self._pass_id,
            phrase_id=ids.phrase_id(self._call.call_id, self._pass_id, growing.channel, growing.start_ms),
            revision=growing.revision,
            channel=growing.channel,
            role=self._call.facts.role_of(growing.channel),
            start_ms=growing.start_ms,
            duration_ms=growing.heard_ms,
            text=text,
            stable_text=growing.agreement.take(text),
            locale=growing.options.locale,
            tenant=self._call.tenant,
        )
        growing.revision += 1
        await self._bench.publisher.send(HYPOTHESES, hypothesis)
        metrics.LIVE_HYPOTHESES.inc()

    def _as_published(self, growing: Growing, recognition: Recognition) -> str:
        """The text as the steps before publication leave it."""
        phrase = Phrase(
            call_id=self._call.call_id,
            recording_id=self._pass_id,
            phrase_id=ids.phrase_id(self._call.call_id, self._pass_id, growing.channel, growing.start_ms),
            sequence=self._call.next_phrase,
            channel=growing.channel,
            role=self._call.facts.role_of(growing.channel),
            start_ms=growing.start_ms,
            duration_ms=growing.heard_ms,
            text=recognition.text,
            confidence=recognition.confidence,
            locale=growing.options.locale,
            tenant=self._call.tenant,
        )
        changed, _ = self._bench.steps.apply(phrase, self._call.step_states)
        return changed.text
