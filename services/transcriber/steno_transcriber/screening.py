"""Screens utterances: one that is surely a tone or music is reported as an observation and not decoded.

Pure. One that only resembles a tone or music is decoded, and reported where the engine finds no words in it.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from steno.events.observations import Observation
from steno.events.recognition import RecognitionOptions
from steno_transcriber.engines.port import Pack, UtteranceEngine
from steno_transcriber.observations import Observations, observation_of
from steno_transcriber.speech import Recognition, Utterance
from steno_transcriber.tones_and_music import classify, classify_surely

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
    surely = classify_surely(utterance.samples)
    if surely is not None:
        return Outcome(recognition=NOTHING_SAID, observation=observation_of(utterance, surely.kind))
    (recognition,) = engine.decode(Pack(utterances=(utterance,)), options)
    return Outcome(recognition=recognition, observation=None if recognition else _resembled(utterance))


class Screen:
    """Screens the utterances of one recording before the engine packs them."""

    def __init__(self) -> None:
        self.observations = Observations()

    def filter(self, utterances: Iterable[Utterance]) -> Iterator[Utterance]:
        """The utterances that are to be decoded, in their order."""
        for utterance in utterances:
            surely = classify_surely(utterance.samples)
            if surely is None:
                yield utterance
            else:
                self.observations.add(observation_of(utterance, surely.kind))

    def add_result(self, utterance: Utterance, recognition: Recognition) -> None:
        """Report an utterance that resembled a tone or music where the engine found no words in it."""
        if not recognition and (observation := _resembled(utterance)) is not None:
            self.observations.add(observation)


def _resembled(utterance: Utterance) -> Observation | None:
    """The observation of an utterance without words that resembles a tone or music."""
    sound = classify(utterance.samples)
    return None if sound is None else observation_of(utterance, sound.kind)
