"""Publishes hypotheses of the open utterances of a call, as often as the machine has time.

| when a record of the call was taken | what follows |
|---|---|
| an utterance was asked of 0.2 s ago or earlier, or began then and never was | a hypothesis, if the machine has time for it |
| the same, 0.8 s ago or earlier, of a call that is not late | a hypothesis, before recordings and behind finals |
| a hypothesis is in line or being decoded | none beside it; one in line will hear what has come |
| a thread begins with one | it decodes up to three others with it that are in line, of the same length for the engine |
| what is said is so far but a copy of another channel | none |
| the utterance has ended | nothing more of it: its phrase comes next |

Nothing is kept of them: who takes a call over begins anew, and while Kafka is away they are dropped.
"""

import asyncio
import time
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

import structlog

from steno.errors import StenoError
from steno_transcriber import metrics
from steno_transcriber.decode_pool import Urgency
from steno_transcriber.engines.choice import Engines
from steno_transcriber.engines.port import Unsupported
from steno_transcriber.live.call import LiveCall
from steno_transcriber.live.channel import LiveChannel
from steno_transcriber.live.hypothesis_publisher import HypothesisPublisher
from steno_transcriber.live.loop_lag import LoopLag
from steno_transcriber.live.open_utterance import OpenUtterance, decode_together, kind_of
from steno_transcriber.speech import Recognition

log = structlog.get_logger("steno.transcriber.live")

T = TypeVar("T")
I = TypeVar("I")  # noqa: E741 - an item

SOONEST_SECONDS = 0.2
"""Nobody reads captions faster."""

COMPARED_MS = 1_000
"""After so much, an utterance that is no copy of another channel is not compared again: to compare costs as much as to hear."""

DUE_SECONDS = 0.8
"""With a chunk's length and the decoding of it, one a second comes of it."""


class Pool(Protocol):
    """Threads with a queue before them."""

    @property
    def idle(self) -> bool:
        """Whether a thread has nothing to do."""

    def submit_shared(
        self,
        urgency: Urgency,
        owner: Hashable,
        function: Callable[[Sequence[I]], Sequence[T]],
        item: I,
        *,
        kind: Callable[[I], Hashable],
    ) -> Future[T]:
        """Line up work, without blocking, that may be done together with other items of a kind; owners take turns."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HypothesisResources:
    """What the hypotheses of all calls share. The clock is monotonic, in seconds."""

    pool: Pool
    loop_lag: LoopLag = field(default_factory=LoopLag)
    clock: Callable[[], float] = time.monotonic


class Hypotheses:
    """The hypotheses of one call. Called on the event loop."""

    def __init__(
        self, call: LiveCall, resources: HypothesisResources, *, engines: Engines, publisher: HypothesisPublisher
    ) -> None:
        self._call = call
        self._resources = resources
        self._engines = engines
        self._publisher = publisher
        self._open: list[OpenUtterance | None] = [None] * len(call.channels)
        self._tasks: set[asyncio.Task[None]] = set()
        self._log = log.bind(call_id=call.call_id)

    def update(self, *, late: bool = False) -> None:
        """Asks for hypotheses where they are due; called with every record, and cheap where nobody speaks.

        Args:
            late: Whether the call is too late to be followed, so that hypotheses are made only while the machine is idle.
        """
        for index, channel in enumerate(self._call.channels):
            start_ms, spoken = channel.open_since_ms, self._open[index]
            if spoken is not None and spoken.start_ms != start_ms:
                spoken.end()
                spoken = self._open[index] = None
            if start_ms is None:
                continue
            if spoken is None:
                spoken = self._open[index] = self._begin(index, channel)
            if spoken is not None:
                self._go_on(spoken, channel, late=late)

    def end(self) -> None:
        """Makes no more hypotheses of the call."""
        for index, spoken in enumerate(self._open):
            if spoken is not None:
                spoken.end()
                self._open[index] = None

    async def stop(self) -> None:
        """End, and let go of what is under way."""
        self.end()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def _machine_has_time(self) -> bool:
        return self._resources.pool.idle and self._resources.loop_lag.spare

    def _begin(self, index: int, channel: LiveChannel) -> OpenUtterance | None:
        span = channel.open_span
        assert span is not None  # it is open
        options = self._call.options_of(span.start_ms)
        try:
            engine = self._engines.choose_for_utterances(options)
        except Unsupported:
            return None  # the phrase meets the same error, and the call fails by it
        began_at = self._resources.clock() - span.duration_ms / 1000
        return OpenUtterance(index, span, channel.form, engine, options=options, at=began_at)

    def _go_on(self, spoken: OpenUtterance, channel: LiveChannel, *, late: bool) -> None:
        if spoken.under_way:
            if spoken.in_line:
                spoken.add_audio(channel.open_audio(after=spoken.taken))
            return
        now = self._resources.clock()
        elapsed = now - spoken.asked_at
        urgency = Urgency.HYPOTHESIS if elapsed >= DUE_SECONDS and not late else Urgency.SPARE
        if elapsed < SOONEST_SECONDS or (urgency is Urgency.SPARE and not self._machine_has_time):
            return
        if spoken.may_be_copy:
            if self._call.is_copying(spoken.channel):
                spoken.asked_at = now
                return
            spoken.may_be_copy = self._call.duration_ms - spoken.start_ms < COMPARED_MS
        spoken.add_audio(channel.open_audio(after=spoken.taken))
        if spoken.has_news:
            decoding = self._resources.pool.submit_shared(urgency, self._call.call_id, decode_together, spoken, kind=kind_of)
            spoken.note_asked(decoding, at=now)
            task = asyncio.create_task(self._hypothesise(spoken, decoding))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _hypothesise(self, spoken: OpenUtterance, decoding: Future[Recognition]) -> None:
        try:
            recognition = await asyncio.wrap_future(decoding)
            metrics.LIVE_HYPOTHESIS_SECONDS.observe(spoken.note_answered(at=self._resources.clock()))
            if recognition and not spoken.over:
                await self._publisher.publish(spoken, recognition)
            spoken.under_way = False
        # After an error it is under way for ever: the phrase meets the same one, and the call fails by it.
        except StenoError as error:
            self._log.warning("live.hypothesis_failed", error_class=error.error_class, reason=str(error))
        except Exception:
            log.exception("live.hypothesis_failed_unexpectedly", call_id=self._call.call_id)
