"""Publishes the hypotheses of one call, whichever kind of engine makes them."""

from typing import Protocol

import structlog

from steno.events import ids
from steno.events.catalogue import HYPOTHESES
from steno.events.recognition import RecognitionOptions
from steno.events.records import Hypothesis, Phrase
from steno.kafka.errors import KafkaUnavailable
from steno_transcriber import metrics
from steno_transcriber.engines.refusals import spoken_locale
from steno_transcriber.live.agreement import Agreement
from steno_transcriber.live.call import LiveCall
from steno_transcriber.publisher import Publisher
from steno_transcriber.speech import Recognition
from steno_transcriber.steps import Steps

log = structlog.get_logger("steno.transcriber.live")


class UnfinishedUtterance(Protocol):
    """An utterance that is not over, and what was published of it."""

    channel: int
    start_ms: int
    options: RecognitionOptions
    agreement: Agreement
    #: Of the next hypothesis.
    revision: int

    @property
    def heard_ms(self) -> int:
        """How much of it the hypothesis is of."""


class HypothesisPublisher:
    """Makes the records of hypotheses, and sends them."""

    def __init__(self, call: LiveCall, *, publisher: Publisher, steps: Steps) -> None:
        self._call = call
        self._pass_id = ids.live_pass_id(call.call_id)
        self._publisher = publisher
        self._steps = steps

    async def publish(self, spoken: UnfinishedUtterance, recognition: Recognition) -> None:
        """Publish a hypothesis; while Kafka is away it is dropped. Raises `RecordRefused`."""
        text = self._as_published(spoken, recognition)
        hypothesis = Hypothesis(
            call_id=self._call.call_id,
            recording_id=self._pass_id,
            phrase_id=self._phrase_id(spoken),
            revision=spoken.revision,
            channel=spoken.channel,
            role=self._call.facts.role_of(spoken.channel),
            start_ms=spoken.start_ms,
            duration_ms=spoken.heard_ms,
            text=text,
            stable_text=spoken.agreement.add(text),
            locale=spoken_locale(recognition.language, spoken.options),
            tenant=self._call.tenant,
        )
        spoken.revision += 1
        try:
            await self._publisher.send(HYPOTHESES, hypothesis)
        except KafkaUnavailable as error:
            log.debug("live.hypothesis_dropped", call_id=self._call.call_id, reason=str(error))
        else:
            metrics.LIVE_HYPOTHESES.inc()

    def _phrase_id(self, spoken: UnfinishedUtterance) -> str:
        return ids.phrase_id(self._call.call_id, self._pass_id, spoken.channel, spoken.start_ms)

    def _as_published(self, spoken: UnfinishedUtterance, recognition: Recognition) -> str:
        """The text as the steps before publication leave it."""
        if not self._steps:
            return recognition.text
        phrase = Phrase(
            call_id=self._call.call_id,
            recording_id=self._pass_id,
            phrase_id=self._phrase_id(spoken),
            sequence=self._call.next_phrase,
            channel=spoken.channel,
            role=self._call.facts.role_of(spoken.channel),
            start_ms=spoken.start_ms,
            duration_ms=spoken.heard_ms,
            text=recognition.text,
            confidence=recognition.confidence,
            locale=spoken_locale(recognition.language, spoken.options),
            tenant=self._call.tenant,
        )
        changed, _ = self._steps.apply(phrase, self._call.step_states)
        return changed.text
