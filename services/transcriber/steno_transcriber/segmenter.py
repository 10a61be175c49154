"""Voice activity cuts a channel into utterances. Sans-I/O: samples in, utterances out.

WebRTC's detector in its strictest mode, smoothed over a window: speech begins when nine tenths of 0.3 s are voiced, and
ends when none of it is. What comes out does not depend on how the audio is cut into blocks.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np
import numpy.typing as npt
import webrtcvad

from steno_transcriber.speech import SAMPLE_RATE, SAMPLES_PER_MS, Samples, Utterance

FRAME_MS = 30
FRAME_SAMPLES = FRAME_MS * SAMPLES_PER_MS
WINDOW_FRAMES = 10
VOICED_TO_BEGIN = 9
STRICTEST_MODE = 3
RESTART_FRAMES = 60_000 // FRAME_MS
PATIENCE_FRAMES = 10_000 // FRAME_MS
"""How much longer than due a restart may wait for silence, where there is sound but no utterance."""
QUIET_FRAMES = 5
"""How long a stretch must be quiet, on average, to be the place where a long utterance is cut."""

_SILENCE = bytes(2 * FRAME_SAMPLES)


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmenterOptions:
    """How much audio an utterance carries around its speech, and how long it may be, in milliseconds."""

    padding_ms: int = 210
    maximum_ms: int = 14_400

    def __post_init__(self) -> None:
        if not 0 <= self.padding_ms <= WINDOW_FRAMES * FRAME_MS:
            raise ValueError(f"padding must be 0 to {WINDOW_FRAMES * FRAME_MS} ms, is {self.padding_ms}")
        if self.maximum_ms < 2_000:
            raise ValueError(f"an utterance must be allowed 2000 ms at least, is {self.maximum_ms}")


class Segmenter:
    """Cuts one channel into utterances.

    Its state is a function of the audio since its last restart. It restarts itself at the first end of an utterance, or
    in silence, after each minute: a segmenter begun with `start_ms=restart_ms` and given the audio from there comes to
    the same utterances. Neither talk without a pause nor noise puts that off for long: it is heard
    from the restart on never more than 90 s.
    """

    def __init__(self, *, channel: int, start_ms: int = 0, options: SegmenterOptions | None = None) -> None:
        self._channel = channel
        self._options = options or SegmenterOptions()
        self._padding_frames = self._options.padding_ms // FRAME_MS
        self._remainder: Samples = np.zeros(0, dtype=np.float32)
        self._restart(start_ms)

    @property
    def restart_ms(self) -> int:
        """From where the audio must be heard again to come to the same state."""
        return self._origin_ms

    @property
    def speaking(self) -> bool:
        """Whether an utterance is open."""
        return self._begin is not None

    @property
    def open_utterance(self) -> Utterance | None:
        """The utterance that is being spoken, as far as it was heard; it ends elsewhere, but begins here."""
        if self._begin is None:
            return None
        first_kept = self._position - len(self._frames)
        first = max(self._begin - self._padding_frames, self._floor, first_kept)
        return Utterance(
            channel=self._channel,
            start_ms=self._origin_ms + self._begin * FRAME_MS,
            duration_ms=max(1, self._position - self._begin) * FRAME_MS,
            padding_before_ms=(self._begin - first) * FRAME_MS,
            samples=np.concatenate([*islice(self._frames, first - first_kept, None), self._remainder]),
        )

    def accept(self, samples: Samples) -> Iterator[Utterance]:
        """Take the next mono samples at 16 kHz and yield the utterances that ended in them."""
        samples = np.concatenate([self._remainder, samples])
        count = len(samples) // FRAME_SAMPLES
        self._remainder = samples[count * FRAME_SAMPLES :].copy()
        frames = samples[: count * FRAME_SAMPLES].reshape(count, FRAME_SAMPLES)
        yield from self._hear(frames)

    def finish(self) -> Iterator[Utterance]:
        """The audio has ended: yield the open utterance, if there is one. The segmenter restarts there."""
        end_ms = self._origin_ms + self._position * FRAME_MS + len(self._remainder) // SAMPLES_PER_MS
        if self._begin is not None and self._last_voiced >= self._begin:
            self._frames.append(self._remainder)
            self._position += 1
            yield self._utterance(self._begin, self._last_voiced + 1, available=self._position)
        self._remainder = self._remainder[:0]
        self._restart(end_ms)

    def _restart(self, origin_ms: int) -> None:
        self._origin_ms = origin_ms
        self._detector = webrtcvad.Vad(STRICTEST_MODE)
        self._window: deque[bool] = deque(maxlen=WINDOW_FRAMES)
        self._frames: deque[npt.NDArray[np.float32]] = deque()
        self._position = 0  # frames heard since the restart
        self._begin: int | None = None  # first frame of the open utterance
        self._last_voiced = 0
        self._floor = 0  # no utterance reaches back over this frame, the end of the one before

    def _hear(self, frames: npt.NDArray[np.float32]) -> Iterator[Utterance]:
        pcm = (frames * 32768.0).clip(-32768, 32767).astype(np.int16)
        for frame, linear in zip(frames, pcm, strict=True):
            sound = linear.tobytes()
            # Digital silence tells nothing about the noise of the line, and need not be looked at.
            voiced = sound != _SILENCE and self._detector.is_speech(sound, SAMPLE_RATE)
            yield from self._frame(frame, voiced=voiced)

    def _frame(self, frame: npt.NDArray[np.float32], *, voiced: bool) -> Iterator[Utterance]:
        self._frames.append(frame)
        self._window.append(voiced)
        self._position += 1
        if voiced:
            self._last_voiced = self._position - 1
        if self._begin is None:
            self._listen()
        elif not any(self._window):
            # After a cut there may have been nothing but the tail of a word.
            if self._last_voiced >= self._begin:
                yield self._utterance(self._begin, self._last_voiced + 1, available=self._position)
            self._begin = None
            self._listen()
        elif (self._position - self._begin) * FRAME_MS >= self._options.maximum_ms:
            cut = self._quietest(self._begin)
            yield self._utterance(self._begin, cut, available=cut)
            self._begin = cut
            if self._position >= RESTART_FRAMES:
                yield from self._restart_at_cut(cut)

    def _restart_at_cut(self, cut: int) -> Iterator[Utterance]:
        """What was heard since the cut is heard again by the new state."""
        heard_since = np.stack(list(self._frames)[cut - self._position :])
        self._restart(self._origin_ms + cut * FRAME_MS)
        yield from self._hear(heard_since)

    def _listen(self) -> None:
        """Between utterances: forget what is too old, restart when it is time, begin when there is speech."""
        while len(self._frames) > WINDOW_FRAMES + self._padding_frames:
            self._frames.popleft()
        if sum(self._window) >= VOICED_TO_BEGIN:
            self._begin = max(self._position - len(self._window), self._floor)
        elif self._position >= RESTART_FRAMES and (not any(self._window) or self._position >= RESTART_FRAMES + PATIENCE_FRAMES):
            self._restart(self._origin_ms + self._position * FRAME_MS)

    def _utterance(self, begin: int, end: int, *, available: int) -> Utterance:
        """Frames `begin` to `end` with padding as far as there is audio, forgetting what lies before its end."""
        first_kept = self._position - len(self._frames)
        first = max(begin - self._padding_frames, self._floor, first_kept)
        last = min(end + self._padding_frames, available)
        kept = list(self._frames)
        samples = np.concatenate(kept[first - first_kept : last - first_kept])
        self._floor = last
        for _ in range(end - first_kept):
            self._frames.popleft()
        return Utterance(
            channel=self._channel,
            start_ms=self._origin_ms + begin * FRAME_MS,
            duration_ms=(end - begin) * FRAME_MS,
            padding_before_ms=(begin - first) * FRAME_MS,
            samples=samples,
        )

    def _quietest(self, begin: int) -> int:
        """The frame in the second half of the open utterance around which there is least energy."""
        kept = list(self._frames)[begin - self._position :]
        half = len(kept) // 2
        energy = [float(np.square(frame, dtype=np.float64).mean()) for frame in kept[half:]]
        stretch = np.convolve(energy, np.ones(QUIET_FRAMES), mode="valid")
        return begin + half + int(np.argmin(stretch)) + QUIET_FRAMES // 2


def segment(blocks: Iterable[npt.NDArray[np.float32]], options: SegmenterOptions | None = None) -> Iterator[Utterance]:
    """Cut blocks of shape (channels, samples) into utterances, each channel by its own segmenter.

    Utterances of one channel come in order of time; those of different channels are interleaved as they end.
    """
    segmenters: list[Segmenter] = []
    for block in blocks:
        if not segmenters:
            segmenters = [Segmenter(channel=channel, options=options) for channel in range(len(block))]
        for segmenter, samples in zip(segmenters, block, strict=True):
            yield from segmenter.accept(samples)
    for segmenter in segmenters:
        yield from segmenter.finish()
