"""Decides what becomes of an utterance: what is surely a tone or music is reported and never decoded, an engine hears the rest.

Pure. Where an engine finds no words in what resembles a tone or music, that is told as well.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from steno.events.recognition import RecognitionOptions
from steno.events.records import Observation, ObservationKind
from steno_transcriber.engines.port import Pack, UtteranceEngine
from steno_transcriber.observations import Observations, observation_of
from steno_transcriber.sounds import sound_of
from steno_transcriber.speech import Recognition, Utterance

NOTHING_SAID = Recognition(text="", confidence=0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Understood:
    """What was said in an utterance, if anything was, and what there is to tell of it otherwise."""

    recognition: Recognition
    observation: Observation | None = None


def understand(engine: UtteranceEngine, utterance: Utterance, options: RecognitionOptions) -> Understood:
    """Hear one utterance alone: a function of its samples, and of nothing else. Blocks: call it in a thread.

    Raises:
        Unsupported: the engine cannot serve the options.
    """
    sound = sound_of(utterance.samples)
    if sound is not None and sound.surely:
        return Understood(recognition=NOTHING_SAID, observation=observation_of(utterance, sound.kind))
    (recognition,) = engine.decode(Pack(utterances=(utterance,)), options)
    if recognition or sound is None:
        return Understood(recognition=recognition)
    return Understood(recognition=recognition, observation=observation_of(utterance, sound.kind))


class Screen:
    """Stands between the utterances of one recording and the engine, which packs them as it likes."""

    def __init__(self) -> None:
        self.observations = Observations()
        #: Of utterances that an engine has: what they resemble, by channel and start.
        self._resembled: dict[tuple[int, int], ObservationKind] = {}

    def passed(self, utterances: Iterable[Utterance]) -> Iterator[Utterance]:
        """Those that an engine is to hear, in their order."""
        for utterance in utterances:
            sound = sound_of(utterance.samples)
            if sound is not None and sound.surely:
                self.observations.add(observation_of(utterance, sound.kind))
                continue
            if sound is not None:
                self._resembled[utterance.channel, utterance.start_ms] = sound.kind
            yield utterance

    def understood(self, utterance: Utterance, recognition: Recognition) -> None:
        """Take what an engine made of one that was passed."""
        kind = self._resembled.pop((utterance.channel, utterance.start_ms), None)
        if kind is not None and not recognition:
            self.observations.add(observation_of(utterance, kind))
