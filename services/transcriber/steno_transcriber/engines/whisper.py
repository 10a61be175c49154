"""Whisper by CTranslate2, with faster-whisper's features and tokenizer: utterances are packed into full windows.

A window is encoded once, for the words and for their times, and is no longer than its audio needs. Temperature is 0
throughout, so the same audio gives the same words. What looks invented (Radford et al., "Robust Speech Recognition via
Large-Scale Weak Supervision", 4.5: repetitive, improbable, or no speech) is decoded again in smaller pieces, and left
out if it still does.
"""

import math
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from faster_whisper import WhisperModel
from faster_whisper.tokenizer import _LANGUAGE_CODES, Tokenizer
from faster_whisper.transcribe import get_suppressed_tokens, merge_punctuations

from steno_transcriber.digest import file_digest
from steno_transcriber.engines.port import EngineInfo, EngineUnavailable, Pack, RecognitionStream, UnsupportedLocale
from steno_transcriber.engines.whisper_packing import Layout, Packing, TimedWord
from steno_transcriber.speech import SAMPLE_RATE, SAMPLES_PER_MS, Recognition, Samples, Utterance

LONGEST_WINDOW_SECONDS = 30
FRAMES_PER_SECOND = 100
TOKENS_PER_SECOND = 8
TOKENS_AT_LEAST = 16
PREPENDED = "\"'“¿([{-"
APPENDED = "\"'.。,，!！?？:：”)]}、"  # noqa: RUF001 - full-width on purpose


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """How long the encoder's window is: the audio and some silence after it, in whole steps; all in seconds.

    Without silence to end in, the decoder loops.
    """

    silence: float = 5.0
    step: float = 5.0
    least: float = 15.0

    def seconds(self, audio: float) -> float:
        """The window for so much audio."""
        wanted = math.ceil((audio + self.silence) / self.step) * self.step
        return min(max(wanted, self.least), LONGEST_WINDOW_SECONDS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Guards:
    """When a decoded window is taken for invented."""

    most_compression: float = 2.4
    least_log_probability: float = -1.0
    most_no_speech: float = 0.6


@dataclass(frozen=True, slots=True, kw_only=True)
class WhisperOptions:
    """How Whisper decodes. The defaults are what was measured best on real 8 kHz calls (`make bench`)."""

    packing: Packing = field(default_factory=Packing)
    window: Window = field(default_factory=Window)
    guards: Guards = field(default_factory=Guards)
    beam: int = 5
    hypothesis_window: Window = field(default_factory=lambda: Window(silence=5.0, step=1.0, least=10.0))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Decoded:
    """What came out of one window."""

    tokens: list[int]
    text: str
    log_probability: float
    no_speech: float
    encoded: Any
    frames: int
    tokenizer: Any


class WhisperEngine:
    """Whisper from a directory in CTranslate2's format. One copy of the weights for `threads` threads."""

    def __init__(
        self, directory: Path, *, threads: int = 1, device: str = "cpu", options: WhisperOptions | None = None
    ) -> None:
        """Load the model. Blocks for as long as reading the weights takes.

        Raises:
            EngineUnavailable: the directory is not a model, or cannot be loaded.
        """
        self._options = options or WhisperOptions()
        try:
            digest = file_digest(directory / "model.bin")
            # local_files_only: a service never downloads; threads are ours, so the library is to use one each.
            self._model = WhisperModel(
                str(directory), device=device, compute_type="int8", cpu_threads=1, num_workers=threads, local_files_only=True
            )
        except (OSError, RuntimeError, ValueError) as error:
            raise EngineUnavailable(f"{directory} cannot be loaded as a Whisper model: {error}") from error
        languages = frozenset(_LANGUAGE_CODES if self._model.model.is_multilingual else {"en"})
        self._info = EngineInfo(name="whisper", model=directory.name, digest=digest, languages=languages)
        self._tokenizer = lru_cache(maxsize=None)(self._build_tokenizer)

    @property
    def info(self) -> EngineInfo:
        """Name, model, digest and languages."""
        return self._info

    def packs(self, utterances: Iterable[Utterance]) -> Iterator[Pack]:
        """Utterances of a channel laid end to end, as many as fill a window."""
        return self._options.packing.pack(utterances)

    def decode(self, pack: Pack, *, locale: str | None = None) -> list[Recognition]:
        """Recognise each utterance of the pack. Blocks; any number of threads.

        Raises:
            UnsupportedLocale: the model does not know the language.
            ValueError: the pack is longer than Whisper's window.
        """
        return self._recognise(pack.utterances, language=self._language(locale))

    def stream(self, *, channel: int, start_ms: int, locale: str | None = None) -> RecognitionStream:
        """Follow an utterance that begins at `start_ms`."""
        self._language(locale)
        return WhisperStream(self, channel=channel, start_ms=start_ms, locale=locale)

    def hypothesis(self, utterance: Utterance, *, locale: str | None = None) -> Recognition:
        """What was said so far, quickly: greedy, in a narrow window."""
        layout = self._options.packing.lay_out([utterance])
        decoded = self._decode(layout, self._language(locale), window=self._options.hypothesis_window, beam=1)
        return self._recognitions(layout, decoded)[0] if self._plausible(decoded) else _nothing(decoded)

    def close(self) -> None:
        """Let go of the weights."""
        self._model.model.unload_model()

    def _language(self, locale: str | None) -> str | None:
        if locale is None:
            return None if self._model.model.is_multilingual else "en"
        language = locale.split("-")[0].lower()
        if language not in self._info.languages:
            raise UnsupportedLocale(f"the model {self._info.model} does not know the language of {locale}")
        return language

    def _build_tokenizer(self, language: str) -> Any:
        return Tokenizer(self._model.hf_tokenizer, self._model.model.is_multilingual, task="transcribe", language=language)

    def _recognise(self, utterances: tuple[Utterance, ...], *, language: str | None) -> list[Recognition]:
        layout = self._options.packing.lay_out(utterances)
        decoded = self._decode(layout, language, window=self._options.window, beam=self._options.beam)
        if self._plausible(decoded):
            return self._recognitions(layout, decoded)
        if len(utterances) == 1:
            return [_nothing(decoded)]
        half = len(utterances) // 2
        return [
            recognition
            for part in (utterances[:half], utterances[half:])
            for recognition in self._recognise(part, language=language)
        ]

    def _decode(self, layout: Layout, language: str | None, *, window: Window, beam: int) -> _Decoded:
        if layout.seconds > LONGEST_WINDOW_SECONDS:
            raise ValueError(f"{layout.seconds:.1f} s of speech are more than Whisper's window of {LONGEST_WINDOW_SECONDS} s")
        features = self._features(layout.samples, window.seconds(layout.seconds))
        encoded = self._model.encode(features)
        if language is None:
            language = self._model.model.detect_language(encoded)[0][0][0].strip("<|>")
        tokenizer = self._tokenizer(language)
        prompt = self._model.get_prompt(tokenizer, [], without_timestamps=True)
        most_tokens = TOKENS_AT_LEAST + int(TOKENS_PER_SECOND * layout.seconds)
        result = self._model.model.generate(
            encoded,
            [prompt],
            beam_size=beam,
            max_length=min(len(prompt) + most_tokens, self._model.max_length),
            suppress_blank=True,
            suppress_tokens=get_suppressed_tokens(tokenizer, [-1]),
            sampling_temperature=0,
            return_scores=True,
            return_no_speech_prob=True,
        )[0]
        tokens = [token for token in result.sequences_ids[0] if token < tokenizer.eot]
        return _Decoded(
            tokens=tokens,
            text=tokenizer.decode(tokens).strip(),
            log_probability=result.scores[0],
            no_speech=result.no_speech_prob,
            encoded=encoded,
            frames=features.shape[-1],
            tokenizer=tokenizer,
        )

    def _features(self, samples: Samples, seconds: float) -> Samples:
        """The log-mel spectrogram of the window, shape (mels, frames): the audio with silence up to its end."""
        padded = np.zeros(int(seconds * SAMPLE_RATE), dtype=np.float32)
        padded[: len(samples)] = samples
        features: Samples = self._model.feature_extractor(padded)
        return features[:, : int(seconds * FRAMES_PER_SECOND)]

    def _plausible(self, decoded: _Decoded) -> bool:
        guards = self._options.guards
        text = decoded.text.encode()
        if text and len(text) / len(zlib.compress(text)) > guards.most_compression:
            return False
        return decoded.log_probability >= guards.least_log_probability or decoded.no_speech <= guards.most_no_speech

    def _recognitions(self, layout: Layout, decoded: _Decoded) -> list[Recognition]:
        language = decoded.tokenizer.language_code
        recognitions = []
        for words in layout.distribute(self._timed_words(decoded)):
            confidence = sum(word.confidence for word in words) / len(words) if words else 0.0
            text = _spacing(language).join(word.text for word in words)
            recognitions.append(Recognition(text=text, confidence=confidence, words=words, language=language))
        return recognitions

    def _timed_words(self, decoded: _Decoded) -> Iterator[TimedWord]:
        """The words with their times, found from the decoder's attention over the window already encoded."""
        if not decoded.tokens:
            return
        alignment = self._model.find_alignment(decoded.tokenizer, [decoded.tokens], decoded.encoded, decoded.frames)[0]
        merge_punctuations(alignment, PREPENDED, APPENDED)
        for word in alignment:
            text = word["word"].strip()
            if text:
                yield TimedWord(text=text, start=word["start"], end=word["end"], probability=float(word["probability"]))


class WhisperStream:
    """One utterance while it is spoken, decoded anew from its start each time one asks."""

    def __init__(self, engine: WhisperEngine, *, channel: int, start_ms: int, locale: str | None) -> None:
        self._engine = engine
        self._channel = channel
        self._start_ms = start_ms
        self._locale = locale
        self._samples: list[Samples] = []

    def accept(self, samples: Samples) -> None:
        """Take the next samples of the utterance."""
        self._samples.append(samples)

    def hypothesis(self) -> Recognition:
        """What was said so far, from a narrow window."""
        utterance = self._utterance()
        return self._engine.hypothesis(utterance, locale=self._locale) if utterance else Recognition(text="", confidence=0.0)

    def final(self) -> Recognition:
        """What was said."""
        utterance = self._utterance()
        if utterance is None:
            return Recognition(text="", confidence=0.0)
        return self._engine.decode(Pack(utterances=(utterance,)), locale=self._locale)[0]

    def _utterance(self) -> Utterance | None:
        samples = np.concatenate(self._samples) if self._samples else np.zeros(0, dtype=np.float32)
        if len(samples) < SAMPLES_PER_MS:
            return None
        return Utterance(
            channel=self._channel,
            start_ms=self._start_ms,
            duration_ms=len(samples) // SAMPLES_PER_MS,
            padding_before_ms=0,
            samples=samples,
        )


def _nothing(decoded: _Decoded) -> Recognition:
    return Recognition(text="", confidence=0.0, language=decoded.tokenizer.language_code)


def _spacing(language: str) -> str:
    """Between words: nothing in scripts that write none (faster-whisper splits those by character)."""
    return "" if language in {"zh", "ja", "th", "lo", "my", "yue"} else " "
