"""Publishes the partial answers of a call engine as hypotheses of one call.

Of each channel one hypothesis is on its way at a time; of the answers that come meanwhile, only the newest is published.
"""

import asyncio
from dataclasses import dataclass, field

import structlog

from steno.errors import StenoError
from steno.events.recognition import RecognitionOptions
from steno_transcriber.engines.port import PartialAnswer
from steno_transcriber.live.agreement import Agreement
from steno_transcriber.live.hypothesis_publisher import HypothesisPublisher
from steno_transcriber.speech import Recognition

log = structlog.get_logger("steno.transcriber.live")


@dataclass(slots=True, eq=False, kw_only=True)
class _Utterance:
    """An `UnfinishedUtterance`, and its newest answer, unless that is published."""

    channel: int
    start_ms: int
    options: RecognitionOptions
    agreement: Agreement = field(default_factory=Agreement)
    revision: int = 0
    heard_ms: int = 0
    newest: PartialAnswer | None = None


class PartialAnswers:
    """The utterances of one call that are not over. Used on the event loop."""

    def __init__(self, publisher: HypothesisPublisher, *, call_id: str) -> None:
        self._publisher = publisher
        self._call_id = call_id
        self._ended = False
        self._open: dict[int, _Utterance] = {}
        self._publishing: dict[int, asyncio.Task[None]] = {}

    def add(self, answer: PartialAnswer, options: RecognitionOptions) -> None:
        """Publish an answer soon, unless the call has ended. `options` are those of its utterance."""
        if self._ended:
            return
        utterance = self._open.get(answer.channel)
        if utterance is None or utterance.start_ms != answer.start_ms:
            utterance = _Utterance(channel=answer.channel, start_ms=answer.start_ms, options=options)
            self._open[answer.channel] = utterance
        utterance.newest = answer
        if answer.channel not in self._publishing:
            self._publishing[answer.channel] = asyncio.create_task(self._publish_newest(answer.channel))

    def end(self, channel: int) -> None:
        """Drop what is not published of a channel: its utterance is over."""
        self._open.pop(channel, None)

    def end_all(self) -> None:
        """Publish no more hypotheses of the call."""
        self._ended = True
        self._open.clear()

    async def stop(self) -> None:
        """End, and cancel what is being published."""
        self.end_all()
        publishing = list(self._publishing.values())
        for task in publishing:
            task.cancel()
        await asyncio.gather(*publishing, return_exceptions=True)

    async def _publish_newest(self, channel: int) -> None:
        while (utterance := self._open.get(channel)) is not None and (answer := utterance.newest) is not None:
            utterance.newest, utterance.heard_ms = None, answer.duration_ms
            await self._publish(utterance, answer.recognition)
        # In the same step as the last look: an answer that comes from here on begins another task.
        del self._publishing[channel]

    async def _publish(self, utterance: _Utterance, recognition: Recognition) -> None:
        try:
            await self._publisher.publish(utterance, recognition)
        except StenoError as error:
            log.warning("live.hypothesis_failed", call_id=self._call_id, error_class=error.error_class, reason=str(error))
        except Exception:
            log.exception("live.hypothesis_failed_unexpectedly", call_id=self._call_id)
