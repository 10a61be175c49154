"""Screens utterances: one that is surely a tone or music is reported as an observation and not decoded.

Pure. One that only resembles a tone or music is decoded, and reported where the engine finds no words in it.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from steno.events.recognition import RecognitionOptions
from steno.events.records import Observation, ObservationKind
from steno_transcriber.engines.port import Pack, UtteranceEngine
from steno_transcriber.observations import Observations, observation_of
from steno_transcriber.speech import Recognition, Utterance
from steno_transcriber.tones_and_music import classify

NOTHING_SAID = Recognition(text="", confidence=0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What was recognised in an utterance, and the observation about it, if any."""

    recognition: Recognition
    observation: Observation | None = None


def recognise_one(engine: UtteranceEngine, utterance: Utterance, options: RecognitionOptions) -> Outcome:
    """Screen and decode one utterance; the result depends on its samples alone. Blocks: call it in a thread.

    Raises:
        Unsupported: the engine cannot serve the options.
    """
    sound = classify(utterance.samples)
    if sound is not None and sound.surely:
        return Outcome(recognition=NOTHING_SAID, observation=observation_of(utterance, sound.kind))
    (recognition,) = engine.decode(Pack(utterances=(utterance,)), options)
    if recognition or sound is None:
        return Outcome(recognition=recognition)
    return Outcome(recognition=recognition, observation=observation_of(utterance, sound.kind))


class Screen:
    """Screens the utterances of one recording before the engine packs them."""

    def __init__(self) -> None:
        self.observations = Observations()
        #: Of utterances that an engine has: what they resemble, by channel and start.
        self._resembled: dict[tuple[int, int], ObservationKind] = {}

    def filter(self, utterances: Iterable[Utterance]) -> Iterator[Utterance]:
        """The utterances that are to be decoded, in their order."""
        for utterance in utterances:
            sound = classify(utterance.samples)
            if sound is not None and sound.surely:
                self.observations.add(observation_of(utterance, sound.kind))
                continue
            if sound is not None:
                self._resembled[utterance.channel, utterance.start_ms] = sound.kind
            yield utterance

    def add_result(self, utterance: Utterance, recognition: Recognition) -> None:
        """Report an utterance that resembled a tone or music where the engine found no words in it."""
        kind = self._resembled.pop((utterance.channel, utterance.start_ms), None)
        if kind is not None and not recognition:
            self.observations.add(observation_of(utterance, kind))
