"""Packs utterances end to end into few windows for decoding, and assigns the words to utterances again. Pure."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from steno_transcriber.engines.loudness import FRAME_MS, Sounding, covered, sounding
from steno_transcriber.engines.port import Pack
from steno_transcriber.engines.whisper_times import TimedWord, within_sound
from steno_transcriber.speech import SAMPLE_RATE, SAMPLES_PER_MS, Samples, Utterance, Word

SURE_SECONDS = 0.3

Window = tuple[Utterance, ...]
"""Utterances of one channel that are decoded as one piece of audio."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Packing:
    """The rules by which utterances are put into windows, and windows into packs.

    A window takes up to `longest_ms` of audio, with at most `gap_ms` of silence between its utterances. The words of up to
    `windows_in_pack` windows are generated together: each step of the decoder reads all of its weights, however many
    windows it serves. Three give nearly all of that gain, and leave a short call in packs enough for two threads.
    """

    longest_ms: int = 15_000
    gap_ms: int = 300
    windows_in_pack: int = 3

    def packs(self, utterances: Iterable[Utterance]) -> Iterator[Pack]:
        """Group utterances, those of each channel in order. Lazy: it holds a pack and one open window for each channel."""
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
        """Make the audio of a window, with the position of each utterance in it."""
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
        return Layout(
            utterances=tuple(utterances),
            starts=tuple(starts),
            sounds=tuple(sounding(utterance.samples) for utterance in utterances),
            samples=np.concatenate(pieces),
        )

    def _length_ms(self, utterances: Sequence[Utterance]) -> int:
        audio = sum(len(utterance.samples) for utterance in utterances) // SAMPLES_PER_MS
        return audio + sum(self._gap_ms(earlier, later) for earlier, later in pairwise(utterances))

    def _gap_ms(self, earlier: Utterance, later: Utterance) -> int:
        """The pause between two utterances, at most `gap_ms`."""
        pause_ms = later.audio_start_ms - earlier.audio_start_ms - len(earlier.samples) // SAMPLES_PER_MS
        return min(max(pause_ms, 0), self.gap_ms)


def _pack(windows: Iterable[Window]) -> Pack:
    return Pack(utterances=tuple(utterance for window in windows for utterance in window))


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """The audio of a window. `starts` are the samples at which each utterance's audio begins, `sounds` its frames of sound."""

    utterances: tuple[Utterance, ...]
    starts: tuple[int, ...]
    sounds: tuple[Sounding, ...]
    samples: Samples

    @property
    def seconds(self) -> float:
        """The length of the audio, in seconds."""
        return len(self.samples) / SAMPLE_RATE

    @property
    def sound_seconds(self) -> float:
        """How many seconds of it have sound."""
        return sum(int(np.count_nonzero(sound)) for sound in self.sounds) * FRAME_MS / 1000

    def distribute(self, words: Iterable[TimedWord]) -> list[tuple[Word, ...]]:
        """Assign each word to the utterance whose sound it lies in, with its time in the call.

        Words are kept inside the speech that voice activity found: the model stretches the first word of an utterance
        back over the silence before it, and over what it did not hear.
        """
        found: list[list[Word]] = [[] for _ in self.utterances]
        index = 0
        for word in within_sound(words, self._sound()):
            shares = [self._share(word, other) for other in range(index, len(self.utterances))]
            index += int(np.argmax(shares))
            found[index].append(self._in_call(word, index))
        return [tuple(words_of_one) for words_of_one in found]

    def missed(self, words: Iterable[TimedWord]) -> list[Sounding]:
        """For each utterance, the frames with sound that no word covers."""
        reached = covered(((word.start, word.end) for word in within_sound(words, self._sound())), len(self._sound()))
        frames = [start // (FRAME_MS * SAMPLES_PER_MS) for start in self.starts]
        return [sound & ~reached[first : first + len(sound)] for first, sound in zip(frames, self.sounds, strict=True)]

    def _share(self, word: TimedWord, index: int) -> float:
        """For how many seconds the word lies in an utterance's sound; if in none of it, how far away it is, negative.

        Its last `SURE_SECONDS` count twice: it is the beginnings of words that the model stretches.
        """
        begin = self.starts[index] / SAMPLE_RATE
        end = begin + len(self.utterances[index].samples) / SAMPLE_RATE
        shared = self._sounding(index, word.start, word.end)
        shared += self._sounding(index, max(word.start, word.end - SURE_SECONDS), word.end)
        middle = (word.start + word.end) / 2
        return shared or -max(begin - middle, middle - end, 0.0)

    def _sounding(self, index: int, start: float, end: float) -> float:
        """How many seconds of a stretch of the window have sound of an utterance."""
        begin = self.starts[index] / SAMPLE_RATE
        first, last = (max(round((second - begin) * 1000 / FRAME_MS), 0) for second in (start, end))
        return int(np.count_nonzero(self.sounds[index][first:last])) * FRAME_MS / 1000

    def _sound(self) -> Sounding:
        """The frames of the window with sound."""
        frame = FRAME_MS * SAMPLES_PER_MS
        found = np.zeros(len(self.samples) // frame + 1, dtype=np.bool_)
        for start, sound in zip(self.starts, self.sounds, strict=True):
            found[start // frame : start // frame + len(sound)] |= sound
        return found

    def _in_call(self, word: TimedWord, index: int) -> Word:
        utterance = self.utterances[index]
        offset_ms = utterance.audio_start_ms - self.starts[index] / SAMPLES_PER_MS
        start_ms, end_ms = (
            min(max(round(second * 1000 + offset_ms), utterance.start_ms), utterance.end_ms)
            for second in (word.start, word.end)
        )
        confidence = min(max(word.probability, 0.0), 1.0)
        return Word(text=word.text, start_ms=start_ms, duration_ms=end_ms - start_ms, confidence=confidence)
