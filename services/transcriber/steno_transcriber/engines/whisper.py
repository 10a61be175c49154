"""The Whisper engine, by CTranslate2: packs utterances into windows, and decodes windows together.

A window whose text looks invented, or lacks words, is decoded again in other ways (`whisper_listening`), and at last left out.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from steno.events.recognition import RecognitionOptions
from steno_transcriber.digest import file_digest
from steno_transcriber.engines.port import EngineInfo, EngineUnavailable, OpenSpeech, Pack, Unsupported
from steno_transcriber.engines.refusals import languages_of, refusal_of
from steno_transcriber.engines.whisper_decoder import LONGEST_WINDOW_SECONDS, Decoded, WhisperDecoder, WindowLength
from steno_transcriber.engines.whisper_guards import Guards, Verdict
from steno_transcriber.engines.whisper_listening import Attempt, Listening
from steno_transcriber.engines.whisper_packing import Packing
from steno_transcriber.speech import SAMPLE_RATE, Recognition, Utterance


@dataclass(frozen=True, slots=True, kw_only=True)
class WhisperOptions:
    """How Whisper decodes. The defaults balance errors and cost on real 8 kHz calls (`benchmarks/engine.py`)."""

    packing: Packing = field(default_factory=Packing)
    length: WindowLength = field(default_factory=WindowLength)
    beam: int = 4
    refused_length: WindowLength = field(default_factory=lambda: WindowLength(least=LONGEST_WINDOW_SECONDS))
    again_length: WindowLength = field(default_factory=lambda: WindowLength(step=1.0, least=8.0))
    hypothesis_length: WindowLength = field(default_factory=lambda: WindowLength(step=1.0, least=8.0))
    hypothesis_beam: int = 1
    guards: Guards = field(default_factory=Guards)


class WhisperEngine:
    """Whisper from a directory in CTranslate2's format. One copy of the weights for `threads` threads."""

    def __init__(
        self, directory: Path, *, threads: int = 1, device: str = "cpu", options: WhisperOptions | None = None
    ) -> None:
        """Load the model. Blocks while the weights are read.

        Raises:
            EngineUnavailable: the directory is not a model, or cannot be loaded.
        """
        self._options = options or WhisperOptions()
        try:
            digest = file_digest(directory / "model.bin")
            self._decoder = WhisperDecoder(directory, threads=threads, device=device)
        except (OSError, RuntimeError, ValueError) as error:
            raise EngineUnavailable(f"{directory} cannot be loaded as a Whisper model: {error}") from error
        self._info = EngineInfo(name="whisper", model=directory.name, digest=digest, languages=self._decoder.languages)

    @property
    def info(self) -> EngineInfo:
        """Name, model, digest and languages."""
        return self._info

    def packs(self, utterances: Iterable[Utterance]) -> Iterator[Pack]:
        """Pack the utterances of a channel end to end into windows, and several windows into a pack."""
        return self._options.packing.packs(utterances)

    def refusal(self, options: RecognitionOptions) -> Unsupported | None:
        """Why it cannot serve these options."""
        return refusal_of(self._info, options)

    def decode(self, pack: Pack, options: RecognitionOptions) -> list[Recognition]:
        """Recognise each utterance of the pack. Blocks; any number of threads.

        Raises:
            Unsupported: the engine cannot serve the options.
            ValueError: an utterance is longer than Whisper's window of 30 s.
        """
        languages = self._languages(options)
        how = self._options
        listening = Listening(how.packing.windows(pack), packing=how.packing, guards=how.guards)
        lengths = {Attempt.FIRST: how.length, Attempt.REFUSED: how.refused_length, Attempt.PART: how.again_length}
        while wanted := listening.layouts():
            heard = self._decoder.decode(
                [layout.samples for _, layout in wanted],
                lengths=[lengths[attempt] for attempt, _ in wanted],
                beam=how.beam,
                languages=[languages] * len(wanted),
                hints=[options.hints] * len(wanted),
            )
            listening.add([layout for _, layout in wanted], heard)
        return [listening.recognition(utterance) for utterance in pack.utterances]

    def hypothesis_window_ms(self, duration_ms: int) -> int:
        """The length of the encoder's window."""
        return round(1000 * self._options.hypothesis_length.seconds(duration_ms / 1000))

    def hypotheses(self, spoken: Sequence[OpenSpeech]) -> list[Recognition]:
        """Recognise what was said so far, quickly: greedy, in a short window, without times of words.

        Raises:
            Unsupported: the engine cannot serve the options of one of them.
        """
        heard = self._decoder.decode(
            [each.utterance.samples for each in spoken],
            lengths=[self._options.hypothesis_length] * len(spoken),
            beam=self._options.hypothesis_beam,
            languages=[self._languages(each.options) for each in spoken],
            hints=[each.options.hints for each in spoken],
            timed=False,
        )
        return [self._hypothesis(each.utterance, decoded) for each, decoded in zip(spoken, heard, strict=True)]

    def close(self) -> None:
        """Release the weights."""
        self._decoder.close()

    def _hypothesis(self, utterance: Utterance, heard: Decoded) -> Recognition:
        sound_seconds = len(utterance.samples) / SAMPLE_RATE
        if self._options.guards.judge(heard, sound_seconds) is Verdict.BELIEVED:
            confidence = min(math.exp(heard.log_probability), 1.0) if heard.text else 0.0
            return Recognition(text=heard.text, confidence=confidence, language=heard.language)
        return Recognition(text="", confidence=0.0, language=heard.language)

    def _languages(self, options: RecognitionOptions) -> tuple[str, ...]:
        if (refusal := self.refusal(options)) is not None:
            raise refusal
        return languages_of(self._info, options)
