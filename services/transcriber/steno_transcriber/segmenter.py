"""Cuts a channel into utterances by voice activity detection. Pure: samples in, utterances out.

WebRTC's detector in its strictest mode, smoothed over a window: speech is there when nine tenths of 0.3 s are voiced, and ends
when none of it is, or after the silence that was asked for. It begins with the first voiced frame that no pause of 0.3 s
separates from it.

Short words never fill the window. Where voice ends that did not fill it, a better detector decides whether it was speech
(`speech_detector`). The result does not depend on how the audio is cut into blocks.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import webrtcvad

from steno.events.recognition import SHORTEST_SILENCE_MS, RecognitionOptions
from steno_transcriber.speech import SAMPLE_RATE, SAMPLES_PER_MS, Samples, Utterance
from steno_transcriber.speech_detector import has_speech

FRAME_MS = 30
WINDOW_FRAMES = 10
VOICED_TO_BEGIN = 9
STRICTEST_MODE = 3
LONGEST_VOICE_FRAMES = 1_800 // FRAME_MS
"""How long voice may go on without filling the window before it is decided whether it is speech."""
CONTEXT_FRAMES = 510 // FRAME_MS
"""How much audio before such voice is given to the detector that decides, to know the line and the speaker by."""
RESTART_FRAMES = 60_000 // FRAME_MS
QUIET_FRAMES = 5
"""How long a stretch must be quiet, on average, to be the place where a long utterance is cut."""

SOUND_BYTES = 2
"""Of one sample, as the detector takes it."""

Audio = Any
"""Mono samples in the form in which they come: an array of them, or their bytes."""


class AudioForm(Protocol):
    """The form of the audio that a segmenter is given, and its conversions."""

    @property
    def sample_rate(self) -> int:
        """8000 or 16000."""

    @property
    def sample_items(self) -> int:
        """How many array items, or bytes, one sample has."""

    def joined(self, pieces: Sequence[Audio]) -> Audio:
        """Joins stretches to a new one that shares no memory with them."""

    def sound(self, audio: Audio) -> bytes:
        """Converts audio for the detector: linear, 16 bits, little endian."""

    def values(self, audio: Audio) -> Samples:
        """Converts audio to numbers from -1 to 1, at its own sample rate."""

    def samples(self, audio: Audio) -> Samples:
        """Converts audio to samples for the engines."""


class Decoded:
    """The form of decoded recordings: samples for the engines already."""

    sample_rate = SAMPLE_RATE
    sample_items = 1

    def joined(self, pieces: Sequence[Audio]) -> Samples:
        """A copy."""
        return np.concatenate([np.zeros(0, dtype=np.float32), *pieces])

    def sound(self, audio: Audio) -> bytes:
        """To 16 bits."""
        linear: npt.NDArray[np.int16] = (audio * 32768.0).clip(-32768, 32767).astype("<i2")
        return linear.tobytes()

    def values(self, audio: Audio) -> Samples:
        """As it is."""
        found: Samples = audio
        return found

    def samples(self, audio: Audio) -> Samples:
        """As it is."""
        found: Samples = audio
        return found


DECODED = Decoded()


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmenterOptions:
    """How much audio an utterance carries around its speech, how long it may be, and which silence ends it, in milliseconds."""

    padding_ms: int = 210
    maximum_ms: int = 14_400
    silence_ms: int = WINDOW_FRAMES * FRAME_MS

    def __post_init__(self) -> None:
        if not 0 <= self.padding_ms <= WINDOW_FRAMES * FRAME_MS:
            raise ValueError(f"padding must be 0 to {WINDOW_FRAMES * FRAME_MS} ms, is {self.padding_ms}")
        if self.maximum_ms < 2_000:
            raise ValueError(f"an utterance must be allowed 2000 ms at least, is {self.maximum_ms}")
        if self.silence_ms < SHORTEST_SILENCE_MS:
            raise ValueError(f"a silence must be {SHORTEST_SILENCE_MS} ms at least, is {self.silence_ms}")

    @classmethod
    def of(cls, options: RecognitionOptions) -> "SegmenterOptions":
        """As a recording or a call asks for it."""
        return cls(silence_ms=options.segmentation_silence_ms) if options.segmentation_silence_ms else cls()


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenSpan:
    """Where an open utterance is so far: its start is final, its end is not."""

    start_ms: int
    duration_ms: int
    padding_before_ms: int

    @property
    def audio_start_ms(self) -> int:
        """Where its audio begins."""
        return self.start_ms - self.padding_before_ms


class Segmenter:
    """Cuts one channel into utterances.

    Its state is a function of the audio since its last restart. It restarts itself at the first end of an utterance, or
    in silence, after each minute: a segmenter begun with `start_ms=restart_ms` and given the audio from there comes to
    the same utterances. Neither talk without a pause nor noise puts that off for long: it is heard
    from the restart on never more than 90 s.
    """

    def __init__(
        self, *, channel: int, start_ms: int = 0, options: SegmenterOptions | None = None, form: AudioForm = DECODED
    ) -> None:
        self._channel = channel
        self._form = form
        frame_samples = FRAME_MS * form.sample_rate // 1000
        self._frame_items = frame_samples * form.sample_items
        self._frame_bytes = frame_samples * SOUND_BYTES
        self._silence = bytes(self._frame_bytes)
        self._options = options or SegmenterOptions()
        self._padding_frames = self._options.padding_ms // FRAME_MS
        self._silence_frames = -(-self._options.silence_ms // FRAME_MS)
        self._most_frames = -(-self._options.maximum_ms // FRAME_MS)
        self._remainder = form.joined([])
        self._restart(start_ms)

    @property
    def restart_ms(self) -> int:
        """Where the audio must be given again from to come to the same state."""
        return self._origin_ms

    @property
    def heard_ms(self) -> int:
        """The end of the audio given so far."""
        return self._origin_ms + self._position * FRAME_MS

    @property
    def needed_ms(self) -> int:
        """No later utterance has audio from before this time."""
        return self._origin_ms + (self._position - len(self._frames)) * FRAME_MS

    @property
    def speaking(self) -> bool:
        """Whether an utterance is open."""
        return self._begin is not None

    @property
    def open_span(self) -> OpenSpan | None:
        """Where the open utterance is so far."""
        if self._begin is None:
            return None
        return OpenSpan(
            start_ms=self._origin_ms + self._begin * FRAME_MS,
            duration_ms=max(1, self._position - self._begin) * FRAME_MS,
            padding_before_ms=(self._begin - self._first_of(self._begin)) * FRAME_MS,
        )

    @property
    def open_since_ms(self) -> int | None:
        """Where the open utterance begins."""
        return None if self._begin is None else self._origin_ms + self._begin * FRAME_MS

    def open_audio(self, *, after: int = 0) -> Audio:
        """The audio of the open utterance in its form, without the first `after` samples."""
        if self._begin is None:
            return self._form.joined([])
        whole, rest = divmod(after * self._form.sample_items, self._frame_items)
        first = self._first_of(self._begin) - (self._position - len(self._frames)) + whole
        return self._form.joined([*islice(self._frames, first, None), self._remainder])[rest:]

    def accept(self, audio: Audio) -> Iterator[Utterance]:
        """Add the next mono audio, in the form of the segmenter, and yield the utterances that ended in it."""
        audio = self._form.joined([self._remainder, audio])
        end = len(audio) - len(audio) % self._frame_items
        self._remainder = self._form.joined([audio[end:]])
        yield from self._hear(audio[:end])

    def finish(self) -> Iterator[Utterance]:
        """End the audio: yield the open utterance, if there is one, and restart."""
        end_ms = self._origin_ms + self._position * FRAME_MS + len(self._remainder) * FRAME_MS // self._frame_items
        if self._begin is None and self._voice_began is not None and self._is_speech():
            self._open(self._voice_began)
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
        self._frames: deque[Audio] = deque()
        self._position = 0  # frames heard since the restart
        self._begin: int | None = None  # first frame of the open utterance
        self._voice_began: int | None = None  # first voiced frame since the last utterance or pause
        self._last_voiced = 0
        self._floor = 0  # no utterance reaches back over this frame, the end of the one before

    def _hear(self, audio: Audio) -> Iterator[Utterance]:
        sound = self._form.sound(audio)
        begins = range(0, len(audio), self._frame_items), range(0, len(sound), self._frame_bytes)
        for begin, heard in zip(*begins, strict=True):
            frame = sound[heard : heard + self._frame_bytes]
            # Digital silence tells nothing about the noise of the line, and need not be looked at.
            voiced = frame != self._silence and self._detector.is_speech(frame, self._form.sample_rate)
            self._frames.append(audio[begin : begin + self._frame_items])
            self._window.append(voiced)
            self._position += 1
            if voiced:
                self._last_voiced = self._position - 1
                if self._voice_began is None:
                    self._voice_began = self._last_voiced
            if self._begin is None:
                self._listen()
            if self._begin is None:
                continue
            silent_frames = self._position - 1 - self._last_voiced
            full = self._position - self._begin >= self._most_frames
            if silent_frames >= self._silence_frames or (full and silent_frames >= WINDOW_FRAMES):
                yield from self._end(self._begin)
            elif full:
                yield from self._cut(self._begin)

    def _end(self, begin: int) -> Iterator[Utterance]:
        # After a cut there may have been nothing but the tail of a word.
        if self._last_voiced >= begin:
            yield self._utterance(begin, self._last_voiced + 1, available=self._position)
        self._begin = self._voice_began = None
        self._listen()

    def _cut(self, begin: int) -> Iterator[Utterance]:
        cut = self._quietest(begin)
        yield self._utterance(begin, cut, available=cut)
        self._begin = cut
        if self._position >= RESTART_FRAMES:
            # What was heard since the cut is heard again by the new state.
            heard_since = self._form.joined(list(self._frames)[cut - self._position :])
            self._restart(self._origin_ms + cut * FRAME_MS)
            yield from self._hear(heard_since)

    def _listen(self) -> None:
        """Between utterances: drop old audio, restart when it is time, open an utterance when there is speech."""
        while len(self._frames) > self._position - self._next_begin + CONTEXT_FRAMES:
            self._frames.popleft()
        if self._voice_began is None:
            if self._position >= RESTART_FRAMES:
                self._restart(self._origin_ms + self._position * FRAME_MS)
        elif sum(self._window) >= VOICED_TO_BEGIN:
            self._open(self._next_begin)
        elif not any(self._window) or self._position - self._voice_began >= LONGEST_VOICE_FRAMES:
            if self._is_speech():
                self._open(self._next_begin)
            elif self._position >= RESTART_FRAMES:
                # Here, too: voice may go on like this for hours without being silent when it is looked at.
                self._restart(self._origin_ms + self._position * FRAME_MS)
            self._voice_began = None

    @property
    def _next_begin(self) -> int:
        """The first frame of an utterance that is opened now."""
        began = self._position - WINDOW_FRAMES
        return began if self._voice_began is None or began < self._voice_began else self._voice_began

    def _open(self, begin: int) -> None:
        self._begin = max(begin, self._floor)

    def _is_speech(self) -> bool:
        """Whether the voice that did not fill the window is speech."""
        if self._voice_began is None:
            return False
        first_kept = self._position - len(self._frames)
        first = max(self._voice_began - CONTEXT_FRAMES, first_kept)
        heard = list(self._frames)[first - first_kept : self._last_voiced + 1 - first_kept]
        context = (self._voice_began - first) * FRAME_MS * SAMPLES_PER_MS
        return has_speech(self._form.samples(self._form.joined(heard)), after=context)

    def _utterance(self, begin: int, end: int, *, available: int) -> Utterance:
        """Make an utterance of frames `begin` to `end` with padding, and drop the audio before its end."""
        first_kept = self._position - len(self._frames)
        first = self._first_of(begin)
        last = min(end + self._padding_frames, available)
        kept = list(self._frames)
        samples = self._form.samples(self._form.joined(kept[first - first_kept : last - first_kept]))
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

    def _first_of(self, begin: int) -> int:
        """The first frame of an utterance that begins at a frame, padding included as far as there is audio."""
        return max(begin - self._padding_frames, self._floor, self._position - len(self._frames))

    def _quietest(self, begin: int) -> int:
        """The quietest frame in the second half of the open utterance."""
        kept = list(self._frames)[begin - self._position :]
        half = len(kept) // 2
        sound = np.frombuffer(self._form.sound(self._form.joined(kept[half:])), dtype="<i2")
        energy = np.square(sound, dtype=np.float64).reshape(len(kept) - half, -1).mean(axis=1)
        stretch = np.convolve(energy, np.ones(QUIET_FRAMES), mode="valid")
        return begin + half + int(np.argmin(stretch)) + QUIET_FRAMES // 2
