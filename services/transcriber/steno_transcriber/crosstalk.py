"""Finds copies of one channel's sound on another: crosstalk, echo, and the same audio on both. Pure.

A copy is recognised by its sound, not its words: two people who both say "okay" make different sounds, while crosstalk from
one leg of a call into the other is the same sound, weaker and a little later. An utterance is compared with what another
channel heard, at the delay at which the two are most alike; where they are alike for a quarter of a second or more and the
other channel is louder, it is a copy. What else was said in the utterance stays.

The quieter of the two is the copy. Where their levels are about equal it is the one on the higher channel. Between the two
rules lie 0.3 dB in which neither is taken for a copy, so that no sound is lost on both channels.

The result is a function of the channels' audio from `LATEST_MS` before the utterance to its end.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import webrtcvad

from steno.events.observations import Observation, ObservationKind
from steno_transcriber.segmenter import (
    DECODED,
    FRAME_MS,
    SOUND_BYTES,
    STRICTEST_MODE,
    WINDOW_FRAMES,
    Audio,
    AudioForm,
    SegmenterOptions,
)
from steno_transcriber.similarity import (
    COPIED_FRAMES,
    FRAME,
    LATEST_MS,
    RATE,
    SILENCE,
    Energies,
    Flags,
    Values,
    compare,
    energies,
)
from steno_transcriber.speech import SAMPLE_RATE, SAMPLES_PER_MS, Utterance

ALIKE = 0.6
"""Correlation from which 210 ms of two channels are the same sound. Copies have 0.9, and through most codecs still as much; two
people who talk at once had 0.4 at most (docs/decisions/0017)."""

HALF_ALIKE = 0.35
"""Correlation from which the rim of a copy is not taken for something else that was said."""

WEAKER, AS_LOUD = 10 ** (-1.9 / 10), 10 ** (1.6 / 10)
"""The power of a copy over that of its original, at most: on the lower of two channels, and on the higher."""

NEARLY_AS_LOUD = 10 ** (-8 / 10)
"""The power of a copy over that of its original from which both channels have the same, rather than one hears the other."""

SAID_FRAMES = 4
"""How much voice there must be in what is left of an utterance, at least."""

PADDING_FRAMES = SegmenterOptions().padding_ms // FRAME_MS
"""How much audio what is left carries around its voice."""

DROWNING = 10 ** (20 / 10)
"""Power over that of an utterance from which another channel may be what is heard in it."""

ECHO_FRAMES = 10
"""How much later than the other channel."""

LOOKED_BACK_MS = 5_000
"""How much of what is being said is looked at to tell whether it is a copy."""


def runs(flags: Flags) -> Iterator[tuple[int, int]]:
    """Gives the runs of set flags: the index of the first, and the one after the last."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(np.int8)))
    return zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class CopiedSpan:
    """A span of a channel that is a copy, with its mean power relative to the original."""

    channel: int
    start_ms: int
    duration_ms: int
    ratio: float

    @property
    def observation(self) -> Observation:
        """The observation that reports it."""
        same = self.ratio >= NEARLY_AS_LOUD
        kind = ObservationKind.SAME_ON_BOTH_CHANNELS if same else ObservationKind.CROSSTALK_REMOVED
        return Observation(kind=kind, channel=self.channel, start_ms=self.start_ms, duration_ms=self.duration_ms)


@dataclass(frozen=True, slots=True, kw_only=True)
class Separated:
    """An utterance separated into what was said on the channel itself, in order of time, and its copies."""

    said: tuple[Utterance, ...]
    copied: CopiedSpan | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Copies:
    """For each frame: whether it is a copy, whether it may be the edge of one, and its power relative to the original."""

    copied: Flags
    blurred: Flags
    ratios: Energies


class CopyDetector:
    """Holds the recent audio of all channels of a call, and finds copies in their utterances.

    It is given stretches of audio, each from its beginning, and holds them until `forget`.
    """

    def __init__(self, count: int, form: AudioForm, *, report: Callable[[Observation], None]) -> None:
        """`report` is called with an observation for each copy."""
        self._form = form
        self._report = report
        self._items_per_ms = form.sample_rate * form.sample_items // 1000
        self._pieces: list[deque[Audio]] = [deque() for _ in range(count)]
        self._begin = self._end = 0

    def start(self, start_ms: int) -> None:
        """Starts a stretch of audio. Earlier audio is dropped."""
        for pieces in self._pieces:
            pieces.clear()
        self._begin = self._end = start_ms * self._items_per_ms

    def add_audio(self, audio: Iterable[Audio]) -> None:
        """Adds the next audio, as much of each channel. A single channel is ignored: it has no others."""
        if len(self._pieces) == 1:
            return
        for pieces, piece in zip(self._pieces, audio, strict=True):
            pieces.append(piece)
        self._end += len(self._pieces[0][-1])

    def forget(self, before_ms: int) -> None:
        """Drops audio from before a time: no later utterance will begin before it."""
        needed = (before_ms - LATEST_MS) * self._items_per_ms
        while self._pieces[0] and self._begin + len(self._pieces[0][0]) <= needed:
            self._begin += len(self._pieces[0][0])
            for pieces in self._pieces:
                pieces.popleft()

    @property
    def held_ms(self) -> int:
        """How many milliseconds of each channel it holds."""
        return (self._end - self._begin) // self._items_per_ms

    def remove_copies(self, utterance: Utterance) -> tuple[Utterance, ...]:
        """Returns the parts of an utterance that are no copies, and reports the copies."""
        apart = self.separate(utterance)
        if apart.copied is not None:
            self._report(apart.copied.observation)
        return apart.said

    def separate(self, utterance: Utterance) -> Separated:
        """Separates an utterance into what was said on its channel and copies of other channels."""
        end_ms = utterance.audio_start_ms + len(utterance.samples) // SAMPLES_PER_MS
        found = self._copies(utterance.channel, utterance.audio_start_ms, end_ms)
        if found is None:
            return Separated(said=(utterance,))
        voiced = _voiced(DECODED.sound(utterance.samples), SAMPLE_RATE)
        said = voiced[: len(found.copied)] & ~found.copied & ~found.blurred
        return Separated(said=tuple(_parts(utterance, said, found.copied)), copied=_span(utterance, found))

    def is_masked(self, utterance: Utterance) -> bool:
        """Whether another channel is, or just was, much louder for most of an utterance, so that it may be an echo."""
        if len(self._pieces) == 1:
            return False
        end_ms = utterance.audio_start_ms + len(utterance.samples) // SAMPLES_PER_MS
        own = energies(self._values(utterance.channel, utterance.start_ms, end_ms) ** 2)
        drowned = np.zeros(len(own), dtype=np.bool_)
        for other in range(len(self._pieces)):
            if other != utterance.channel:
                heard = energies(self._values(other, utterance.start_ms - ECHO_FRAMES * FRAME_MS, end_ms) ** 2)
                loudest = np.lib.stride_tricks.sliding_window_view(heard, ECHO_FRAMES + 1)[: len(own)].max(axis=1)
                drowned |= loudest >= DROWNING * own
        return bool(2 * np.count_nonzero(drowned) >= len(own))

    def is_copying(self, channel: int, since_ms: int) -> bool:
        """Whether a channel has had nothing but copies since a time, of which the last `LOOKED_BACK_MS` are examined."""
        end_ms = self._end // self._items_per_ms
        begin_ms = max(since_ms, end_ms - LOOKED_BACK_MS)
        found = self._copies(channel, begin_ms, end_ms)
        if found is None:
            return False
        voiced = _voiced(self._form.sound(self._heard(channel, begin_ms, end_ms)), self._form.sample_rate)
        return bool(np.count_nonzero(voiced[: len(found.copied)] & ~found.copied & ~found.blurred) < SAID_FRAMES)

    def _copies(self, channel: int, begin_ms: int, end_ms: int) -> "_Copies | None":
        """The frames of a stretch that are copies of another channel; None where there are none."""
        if len(self._pieces) == 1:
            return None
        own = self._values(channel, begin_ms, end_ms)
        frames = len(own) // FRAME
        copied, blurred, ratios = np.zeros(frames, dtype=np.bool_), np.zeros(frames, dtype=np.bool_), np.zeros(frames)
        for other in range(len(self._pieces)):
            most_ratio = AS_LOUD if channel > other else WEAKER
            if other == channel:
                continue
            found = compare(own, self._values(other, begin_ms - LATEST_MS, end_ms), most_ratio=most_ratio)
            if found is None:
                continue
            weaker = found.ratio <= most_ratio
            alike = _long(weaker & (found.correlation >= ALIKE), COPIED_FRAMES)
            if alike.any():
                ratios = np.where(alike & ~copied, found.ratio, ratios)
                copied |= alike
                blurred |= weaker & (found.correlation >= HALF_ALIKE)
        return _Copies(copied=copied, blurred=blurred, ratios=ratios) if copied.any() else None

    def _values(self, channel: int, begin_ms: int, end_ms: int) -> Values:
        """The samples of a channel at `RATE`; silence where they are not known."""
        step = self._form.sample_rate // RATE
        values = self._form.values(self._heard(channel, begin_ms, end_ms))
        values = values[: len(values) // step * step]
        for _ in range(step.bit_length() - 1):
            values = (values[::2] + values[1::2]) / np.float32(2)
        unknown = max(0, self._begin - begin_ms * self._items_per_ms) // self._form.sample_items // step
        return np.concatenate([np.zeros(unknown, dtype=np.float32), values])

    def _heard(self, channel: int, begin_ms: int, end_ms: int) -> Audio:
        begin, end = begin_ms * self._items_per_ms - self._begin, end_ms * self._items_per_ms - self._begin
        found: list[Audio] = []
        position = 0
        for piece in self._pieces[channel]:
            if position + len(piece) > begin and position < end:
                found.append(piece[max(0, begin - position) : end - position])
            position += len(piece)
        return self._form.joined(found)


def _voiced(sound: bytes, sample_rate: int) -> Flags:
    """The frames with voice."""
    detector = webrtcvad.Vad(STRICTEST_MODE)
    length = FRAME_MS * sample_rate // 1000 * SOUND_BYTES
    begins = range(0, len(sound) - length + 1, length)
    return np.array([detector.is_speech(sound[begin : begin + length], sample_rate) for begin in begins], dtype=np.bool_)


def _long(flags: Flags, least: int) -> Flags:
    """The flags, without runs shorter than `least`."""
    long = np.zeros_like(flags)
    for first, last in runs(flags):
        long[first:last] = last - first >= least
    return long


def _span(utterance: Utterance, found: _Copies) -> CopiedSpan:
    first, last = np.flatnonzero(found.copied)[[0, -1]].tolist()
    start_ms = max(utterance.start_ms, utterance.audio_start_ms + first * FRAME_MS)
    end_ms = min(utterance.end_ms, utterance.audio_start_ms + (last + 1) * FRAME_MS)
    ratio = float(np.exp(np.log(found.ratios[found.copied] + SILENCE).mean()))
    return CopiedSpan(channel=utterance.channel, start_ms=start_ms, duration_ms=max(1, end_ms - start_ms), ratio=ratio)


def _parts(utterance: Utterance, said: Flags, copied: Flags) -> Iterator[Utterance]:
    """Gives the parts of an utterance between copies, cut at pauses of `WINDOW_FRAMES`."""
    padding = utterance.padding_before_ms // FRAME_MS
    said[:padding] = False
    said[padding + utterance.duration_ms // FRAME_MS :] = False
    samples = utterance.samples.copy()
    frame_samples = FRAME_MS * SAMPLES_PER_MS
    for first, last in runs(copied):
        samples[first * frame_samples : last * frame_samples] = 0
    floor = 0
    for first, last in runs(~_long(~said, WINDOW_FRAMES)):
        voice = np.flatnonzero(said[first:last])
        if len(voice) < SAID_FRAMES:
            continue
        begin, end = first + int(voice[0]), first + int(voice[-1]) + 1
        heard = max(floor, begin - PADDING_FRAMES), min(len(said), end + PADDING_FRAMES)
        floor = heard[1]
        yield replace(
            utterance,
            start_ms=utterance.audio_start_ms + begin * FRAME_MS,
            duration_ms=(end - begin) * FRAME_MS,
            padding_before_ms=(begin - heard[0]) * FRAME_MS,
            samples=samples[heard[0] * frame_samples : heard[1] * frame_samples],
        )
