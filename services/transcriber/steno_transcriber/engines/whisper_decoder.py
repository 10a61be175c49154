"""Decodes windows of speech with Whisper: each encoded alone, their words generated and timed together.

Encoding several windows at once costs a CPU more than one after the other; generating their words together costs it much
less. A window is encoded once, for the words and for their times. Temperature is 0 throughout, so that the same audio
gives the same words.
"""

import math
import os
import zlib
from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from ctranslate2 import StorageView
from faster_whisper import WhisperModel
from faster_whisper.tokenizer import _LANGUAGE_CODES, Tokenizer
from faster_whisper.transcribe import get_suppressed_tokens, merge_punctuations
from threadpoolctl import threadpool_limits

from steno_transcriber.engines.whisper_times import TimedWord
from steno_transcriber.speech import SAMPLE_RATE, Samples

LONGEST_WINDOW_SECONDS = 30
FRAMES_PER_SECOND = 100
FRAME_SAMPLES = SAMPLE_RATE // FRAMES_PER_SECOND
SILENT_FRAMES = 3
"""Behind the audio: more than a frame's analysis reaches back."""
TOKENS_PER_SECOND = 8
TOKENS_AT_LEAST = 16
"""More than anybody says in what a window may hold: a decoder that loops is stopped."""

HINT_TOKENS = 100
"""So many tokens of hints are given to the decoder, about fifty words: they cost time, and it has room for twice as many."""

TIMED_FRAMES_AT_LEAST = 20
"""Attention is smoothed over seven pairs of frames: less than that has no times."""

WIDE_VECTORS_FLAG = "avx512_vbmi2"
"""Processors with this flag (Ice Lake, Zen 4 and later) hardly lower their clock for vectors of 512 bits; older ones do."""

PREPENDED = "\"'“¿([{-"
APPENDED = "\"'.。,，!！?？:：”)]}、"  # noqa: RUF001 - full-width on purpose

Encoded = npt.NDArray[np.float32]
"""What the encoder made of windows of the same length, shape (windows, frames, width)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowLength:
    """How long the encoder's window is: the audio and some silence after it, in whole steps; all in seconds.

    Without silence to end in, the decoder loops. The longer the window, the better it hears, and the dearer that is.
    """

    silence: float = 5.0
    step: float = 5.0
    least: float = 17.0

    def seconds(self, audio: float) -> float:
        """The window for so much audio."""
        wanted = math.ceil((audio + self.silence) / self.step) * self.step
        return min(max(wanted, self.least), LONGEST_WINDOW_SECONDS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoded:
    """The result for one window: text, its words with times if asked for, and measures of whether it was invented.

    `log_probability` is the mean of a token's; `compression` how many times the text can be compressed; `capped` whether the
    decoder had to be stopped.
    """

    text: str
    words: tuple[TimedWord, ...]
    language: str
    log_probability: float
    no_speech: float
    compression: float
    capped: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class _Language:
    """The prompt tokens for a language."""

    tokenizer: Any
    prompt: list[int]
    suppressed: tuple[int, ...]


class WhisperDecoder:
    """One copy of a model's weights, for any number of threads."""

    def __init__(self, directory: Path, *, threads: int, device: str) -> None:
        use_wide_vectors(Path("/proc/cpuinfo"))
        # The threads are the caller's, for numpy as well: its own would cost a small product three times what it is.
        threadpool_limits(limits=1, user_api="blas")
        # local_files_only: a service never downloads.
        self._model = WhisperModel(
            str(directory), device=device, compute_type="int8", cpu_threads=1, num_workers=threads, local_files_only=True
        )
        self._language = lru_cache(maxsize=None)(self._prepare_language)

    @property
    def languages(self) -> frozenset[str]:
        """The languages the model writes."""
        return frozenset(_LANGUAGE_CODES if self._model.model.is_multilingual else {"en"})

    def close(self) -> None:
        """Release the weights."""
        self._model.model.unload_model()

    def decode(
        self,
        windows: Sequence[Samples],
        *,
        lengths: Sequence[WindowLength],
        beam: int,
        languages: Sequence[Sequence[str]],
        hints: Sequence[Sequence[str]],
        timed: bool = True,
    ) -> list[Decoded]:
        """The words of each window, without times if not `timed`; those of the same length, language and hints are generated
        together.

        Each is in one of its `languages`; in any that the model knows where it has none. Its `hints` are likely to be said.

        Raises:
            ValueError: a window holds more audio than the model takes at once.
        """
        batches: dict[tuple[float, str, tuple[str, ...]], list[tuple[int, Encoded]]] = defaultdict(list)
        for index, (samples, length, among, likely) in enumerate(zip(windows, lengths, languages, hints, strict=True)):
            seconds = length.seconds(len(samples) / SAMPLE_RATE)
            encoded = self._encode(samples, seconds)
            spoken = among[0] if len(among) == 1 else self._detect(encoded, among=among)
            batches[seconds, spoken, tuple(likely)].append((index, encoded))
        decoded: dict[int, Decoded] = {}
        for (_, spoken, likely), batch in batches.items():
            indices, encodings = zip(*batch, strict=True)
            frames = [-(-len(windows[index]) // FRAME_SAMPLES) for index in indices]
            results = self._generate(
                np.concatenate(encodings), frames, self._language(spoken), hints=likely, beam=beam, timed=timed
            )
            decoded.update(zip(indices, results, strict=True))
        return [decoded[index] for index in range(len(windows))]

    def _encode(self, samples: Samples, seconds: float) -> Encoded:
        """Encode the audio with silence up to the end of the window."""
        frames = round(seconds * FRAMES_PER_SECOND)
        heard = -(-len(samples) // FRAME_SAMPLES)
        if heard > frames:
            raise ValueError(f"{len(samples) / SAMPLE_RATE:.1f} s of speech are more than a window of {seconds} s")
        # Silence looks like silence: a little of it tells the rest.
        looked_at = min(heard + SILENT_FRAMES, frames)
        padded = np.zeros(looked_at * FRAME_SAMPLES, dtype=np.float32)
        padded[: len(samples)] = samples
        features = self._model.feature_extractor(padded)[:, :looked_at]
        features = np.pad(features, ((0, 0), (0, frames - looked_at)), mode="edge")
        view = StorageView.from_array(np.ascontiguousarray(features[np.newaxis]))
        return np.array(self._model.model.encode(view, to_cpu=True))

    def _detect(self, encoded: Encoded, *, among: Sequence[str]) -> str:
        if not self._model.model.is_multilingual:
            return "en"
        likeliest_first = self._model.model.detect_language(StorageView.from_array(encoded))[0]
        found = [str(token).strip("<|>") for token, _ in likeliest_first]
        return next((language for language in found if not among or language in among), found[0])

    def _prepare_language(self, code: str) -> _Language:
        tokenizer = Tokenizer(self._model.hf_tokenizer, self._model.model.is_multilingual, task="transcribe", language=code)
        prompt = [*tokenizer.sot_sequence, tokenizer.no_timestamps]
        return _Language(tokenizer=tokenizer, prompt=prompt, suppressed=get_suppressed_tokens(tokenizer, [-1]))

    def _generate(
        self,
        encoded: Encoded,
        frames: Sequence[int],
        language: _Language,
        *,
        hints: tuple[str, ...],
        beam: int,
        timed: bool,
    ) -> list[Decoded]:
        """The words of windows, of which so many frames each are audio."""
        most_tokens = [TOKENS_AT_LEAST + TOKENS_PER_SECOND * heard // FRAMES_PER_SECOND for heard in frames]
        prompt = [*_hint_tokens(hints, language.tokenizer), *language.prompt]
        # CTranslate2 takes half of max_length for the words, the other half being meant for a prompt.
        results = self._model.model.generate(
            StorageView.from_array(encoded),
            [prompt] * len(encoded),
            beam_size=beam,
            max_length=min(max(most_tokens) + max(max(most_tokens), len(prompt)), self._model.max_length),
            suppress_blank=True,
            suppress_tokens=language.suppressed,
            sampling_temperature=0,
            return_scores=True,
            return_no_speech_prob=True,
        )
        eot = language.tokenizer.eot
        tokens = [[token for token in result.sequences_ids[0] if token < eot] for result in results]
        texts = [language.tokenizer.decode(of_window) for of_window in tokens]
        words = self._time(encoded, tokens, frames, language.tokenizer) if timed else {}
        return [
            Decoded(
                text=text if _spoken(text := texts[index].strip()) else "",
                words=words.get(index, ()),
                language=language.tokenizer.language_code,
                log_probability=result.scores[0],
                no_speech=result.no_speech_prob,
                compression=_compression(texts[index]),
                capped=len(result.sequences_ids[0]) >= most_tokens[index],
            )
            for index, result in enumerate(results)
        ]

    def _time(
        self, encoded: Encoded, tokens: Sequence[list[int]], frames: Sequence[int], tokenizer: Any
    ) -> dict[int, tuple[TimedWord, ...]]:
        """The words of each window that has any, with times from the decoder's attention over the encoded audio.

        `frames` is how much of each window is audio: no word lies in the silence behind it.
        """
        spoken = [index for index, of_window in enumerate(tokens) if of_window]
        if not spoken:
            return {}
        view = StorageView.from_array(np.ascontiguousarray(encoded[spoken]))
        heard = [max(frames[index], TIMED_FRAMES_AT_LEAST) for index in spoken]
        alignments = self._model.find_alignment(tokenizer, [tokens[index] for index in spoken], view, heard)
        return {index: _words(alignment) for index, alignment in zip(spoken, alignments, strict=True)}


def use_wide_vectors(cpuinfo: Path) -> None:
    """Have CTranslate2 calculate with 512 bits where the processor does: an eighth less time."""
    with suppress(OSError):
        if WIDE_VECTORS_FLAG.encode() in cpuinfo.read_bytes().split():  # elsewhere no model would load
            os.environ.setdefault("CT2_FORCE_CPU_ISA", "AVX512")


def _words(alignment: list[dict[str, Any]]) -> tuple[TimedWord, ...]:
    merge_punctuations(alignment, PREPENDED, APPENDED)
    return tuple(
        TimedWord(text=text, start=word["start"], end=word["end"], probability=float(word["probability"]))
        for word in alignment
        if _spoken(text := word["word"].strip())
    )


def _hint_tokens(hints: Sequence[str], tokenizer: Any) -> list[int]:
    """The hints as a sentence that was said before the audio, as many whole ones as there is room for; nothing without hints.

    Tokens that mean something else than text to the decoder, which a hint may spell, are left out.
    """
    found: list[int] = []
    for hint in hints:
        tokens = [token for token in tokenizer.encode(f"{',' if found else ''} {hint.strip()}") if token < tokenizer.eot]
        if len(found) + len(tokens) > HINT_TOKENS:
            break
        found += tokens
    return [tokenizer.sot_prev, *found, *tokenizer.encode(".")] if found else []


def _spoken(text: str) -> bool:
    """Whether there is anything to say in a text: dots alone are how the model writes that there is nothing."""
    return any(letter.isalnum() for letter in text)


def _compression(text: str) -> float:
    data = text.encode()
    return len(data) / len(zlib.compress(data)) if data else 0.0
