"""The engines of a process, and which of them serves what is asked for. Pure."""

from collections.abc import Sequence
from typing import TypeVar

from steno.events.recognition import Profanity, RecognitionOptions
from steno_transcriber.engines.port import CallEngine, Unsupported, UnsupportedModel, UtteranceEngine

Engine = UtteranceEngine | CallEngine
E = TypeVar("E", bound=Engine)


class Engines:
    """All engines that are loaded, the operator's favourite first."""

    def __init__(self, engines: Sequence[Engine]) -> None:
        if not engines:
            raise ValueError("there must be an engine")
        self._engines = tuple(engines)

    def choose(self, options: RecognitionOptions) -> Engine:
        """The first engine that can serve the options.

        Raises:
            Unsupported: none can; the message says why.
        """
        return _first(self._engines, options)

    def choose_for_utterances(self, options: RecognitionOptions) -> UtteranceEngine:
        """The first utterance engine that can serve the options: for a call that Steno cuts already.

        Raises:
            Unsupported: none can.
        """
        return _first([engine for engine in self._engines if isinstance(engine, UtteranceEngine)], options)

    def close(self) -> None:
        """Let go of all models."""
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
    """What no engine of this version does, nor any step behind it."""
    if options.vocabulary:
        return Unsupported(f"there is no vocabulary {options.vocabulary}")
    if options.redaction:
        return Unsupported(f"there is no redaction policy {options.redaction}")
    if options.profanity is not Profanity.AS_SPOKEN:
        return Unsupported(f"swear words cannot be {options.profanity} by this version; leave profanity as_spoken")
    return None
