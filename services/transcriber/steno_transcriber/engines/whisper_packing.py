"""Lays utterances end to end, so that few windows are decoded instead of many, and takes the words apart again. Pure."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from steno_transcriber.engines.port import Pack
from steno_transcriber.speech import SAMPLE_RATE, SAMPLES_PER_MS, Samples, Utterance, Word

Window = tuple[Utterance, ...]
"""Utterances of one channel that are decoded as one piece of audio."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Packing:
    """How utterances share windows, and windows a pack.

    A window takes up to `longest_ms` of audio, with at most `gap_ms` of silence between its utterances. The words of up to
    `windows_in_pack` windows are generated together: each step of the decoder reads all of its weights, however many
    windows it serves. Three give nearly all of that gain, and leave a short call in packs enough for two threads.
    """

    longest_ms: int = 15_000
    gap_ms: int = 300
    windows_in_pack: int = 3

    def packs(self, utterances: Iterable[Utterance]) -> Iterator[Pack]:
        """Group utterances, each channel's in order. Lazy: it holds a pack and one open window a channel."""
        full: list[Window] = []
        for window in self._fill(utterances):
            full.append(window)
            if len(full) == self.windows_in_pack:
                yield _pack(full)
                full.clear()
        if full:
            yield _pack(full)

    def windows(self, pack: Pack) -> list[Window]:
        """The windows a pack was made of."""
        return list(self._fill(pack.utterances))

    def _fill(self, utterances: Iterable[Utterance]) -> Iterator[Window]:
        open_windows: dict[int, list[Utterance]] = {}
        for utterance in utterances:
            current = open_windows.setdefault(utterance.channel, [])
            if current and self._length_ms([*current, utterance]) > self.longest_ms:
                yield tuple(current)
                current.clear()
            current.append(utterance)
        for current in open_windows.values():
            yield tuple(current)

    def lay_out(self, utterances: Sequence[Utterance]) -> "Layout":
        """The audio of a window, and where each utterance lies in it."""
        pieces: list[Samples] = []
        starts: list[int] = []
        position = 0
        for index, utterance in enumerate(utterances):
            if index:
                gap_ms = self._gap_ms(utterances[index - 1], utterance)
                pieces.append(np.zeros(gap_ms * SAMPLES_PER_MS, dtype=np.float32))
                position += len(pieces[-1])
            starts.append(position)
            pieces.append(utterance.samples)
            position += len(utterance.samples)
        return Layout(utterances=tuple(utterances), starts=tuple(starts), samples=np.concatenate(pieces))

    def _length_ms(self, utterances: Sequence[Utterance]) -> int:
        audio = sum(len(utterance.samples) for utterance in utterances) // SAMPLES_PER_MS
        return audio + sum(self._gap_ms(earlier, later) for earlier, later in pairwise(utterances))

    def _gap_ms(self, earlier: Utterance, later: Utterance) -> int:
        """The pause as it was, where it was shorter than `gap_ms`: fluent speech stays fluent."""
        pause_ms = later.audio_start_ms - earlier.audio_start_ms - len(earlier.samples) // SAMPLES_PER_MS
        return min(max(pause_ms, 0), self.gap_ms)


def _pack(windows: Iterable[Window]) -> Pack:
    return Pack(utterances=tuple(utterance for window in windows for utterance in window))


@dataclass(frozen=True, slots=True, kw_only=True)
class TimedWord:
    """A word as the model heard it: seconds from the start of the window, probability from 0 to 1."""

    text: str
    start: float
    end: float
    probability: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """The audio of a window. `starts` are the samples at which each utterance's audio begins."""

    utterances: tuple[Utterance, ...]
    starts: tuple[int, ...]
    samples: Samples

    @property
    def seconds(self) -> float:
        """How long it is."""
        return len(self.samples) / SAMPLE_RATE

    def distribute(self, words: Iterable[TimedWord]) -> list[tuple[Word, ...]]:
        """Give each word to the utterance its middle lies in (or nearest to), at its time in the call.

        Words are kept inside the speech that voice activity found: the model stretches the first word of an utterance
        back over the silence before it.
        """
        ends = [start + len(utterance.samples) for start, utterance in zip(self.starts, self.utterances, strict=True)]
        borders = [
            (end + following) / 2 / SAMPLE_RATE for end, (_, following) in zip(ends, pairwise(self.starts), strict=False)
        ]
        found: list[list[Word]] = [[] for _ in self.utterances]
        for word in words:
            index = int(np.searchsorted(borders, (word.start + word.end) / 2))
            found[index].append(self._in_call(word, index))
        return [tuple(words_of_one) for words_of_one in found]

    def _in_call(self, word: TimedWord, index: int) -> Word:
        utterance = self.utterances[index]
        offset_ms = utterance.audio_start_ms - self.starts[index] / SAMPLES_PER_MS
        start_ms, end_ms = (
            min(max(round(second * 1000 + offset_ms), utterance.start_ms), utterance.end_ms)
            for second in (word.start, word.end)
        )
        confidence = min(max(word.probability, 0.0), 1.0)
        return Word(text=word.text, start_ms=start_ms, duration_ms=end_ms - start_ms, confidence=confidence)
