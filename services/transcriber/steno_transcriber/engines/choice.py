"""The engines of a process, and the choice of one by recognition options. Pure."""

from collections.abc import Sequence
from typing import TypeVar

from steno.events.recognition import Profanity, RecognitionOptions
from steno_transcriber.engines.port import CallEngine, RecordingEngine, Unsupported, UnsupportedModel, UtteranceEngine
from steno_transcriber.engines.refusals import asked_locales, is_english

AudioEngine = UtteranceEngine | CallEngine
"""An engine that is given audio."""

Engine = AudioEngine | RecordingEngine
E = TypeVar("E", bound=Engine)


class Engines:
    """All loaded engines, in the order of the operator's preference."""

    def __init__(self, engines: Sequence[Engine]) -> None:
        if not engines:
            raise ValueError("there must be an engine")
        self._engines = tuple(engines)

    @property
    def recording_engines(self) -> tuple[RecordingEngine, ...]:
        """Those that fetch recordings themselves; they are components of the service."""
        return tuple(engine for engine in self._engines if isinstance(engine, RecordingEngine))

    def choose(self, options: RecognitionOptions) -> AudioEngine:
        """Choose the first engine that can serve the options, among those that are given audio.

        Raises:
            Unsupported: no engine can; the message says why.
        """
        given_audio = [engine for engine in self._engines if isinstance(engine, UtteranceEngine | CallEngine)]
        if not given_audio:
            raise Unsupported("no engine is loaded that takes live calls, but only for recordings")
        return _first(given_audio, options)

    def choose_for_recording(self, options: RecognitionOptions) -> RecordingEngine | None:
        """The first engine that can serve the options, if it fetches recordings itself; None if it is to be given audio.

        Raises:
            Unsupported: no engine can, and none is given audio.
        """
        engine = next((engine for engine in self._engines if engine.refusal(options) is None), self._engines[0])
        if not isinstance(engine, RecordingEngine):
            return None
        return _first([engine], options)

    def choose_for_utterances(self, options: RecognitionOptions) -> UtteranceEngine:
        """Choose the first utterance engine that can serve the options, for a call that is cut into utterances already.

        Raises:
            Unsupported: no engine can.
        """
        return _first([engine for engine in self._engines if isinstance(engine, UtteranceEngine)], options)

    def close(self) -> None:
        """Release all models."""
        for engine in self._engines:
            engine.close()


def _first(engines: Sequence[E], options: RecognitionOptions) -> E:
    if (refused := _refused_by_all(options)) is not None:
        raise refused
    if not engines:
        raise Unsupported("no engine is loaded that takes utterances, which this call is cut into already")
    refusals = []
    for engine in engines:
        refusal = engine.refusal(options)
        if refusal is None:
            return engine
        refusals.append(refusal)
    # The model is chosen by its name: what another one says of the language is of no interest then.
    raise next((refusal for refusal in refusals if not isinstance(refusal, UnsupportedModel)), refusals[0])


def _refused_by_all(options: RecognitionOptions) -> Unsupported | None:
    """The error for an option that no engine or step of this version supports."""
    if options.vocabulary:
        return Unsupported(f"there is no vocabulary {options.vocabulary}")
    if options.redaction:
        return Unsupported(f"there is no redaction policy {options.redaction}")
    if options.profanity is Profanity.UNKNOWN:
        return Unsupported(
            "this version does not know what is to be written for swear words; it may be as_spoken, masked or removed"
        )
    asked = tuple(asked_locales(options))
    if options.profanity is not Profanity.AS_SPOKEN and not (asked and all(map(is_english, asked))):
        return Unsupported(
            f"swear words can be {options.profanity} in English only, and the language is {', '.join(asked) or 'not given'}; "
            "leave profanity as_spoken"
        )
    return None
