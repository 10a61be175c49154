"""An utterance that is still being spoken: collects its audio, and decodes what there is so far."""

from collections import deque
from concurrent.futures import Future

import numpy as np

from steno_transcriber.engines.choice import Engines
from steno_transcriber.engines.port import RecognitionOptions, RecognitionStream
from steno_transcriber.live.agreement import Agreement
from steno_transcriber.live.audio import Linear, LiveForm, LiveStretch
from steno_transcriber.screening import NOTHING_SAID
from steno_transcriber.segmenter import SOUND_BYTES, OpenSpan
from steno_transcriber.speech import SAMPLES_PER_MS, Recognition, Samples
from steno_transcriber.tones_and_music import classify, is_ruled_out

SCREENED_AGAIN = 1.4
"""By how many times an utterance is longer when it is looked at again, unless it was a tone or music: each look is at all of
it. Most are known to be speech at the first."""


class OpenUtterance:
    """One open utterance: audio is added on the event loop, and decoded in one thread at a time."""

    def __init__(
        self,
        channel: int,
        span: OpenSpan,
        form: LiveForm,
        engines: Engines,
        *,
        options: RecognitionOptions,
        at: float,
    ) -> None:
        """
        Args:
            span: Where it is; its audio comes by `add_audio`.
            at: When that was, in seconds of the caller's clock.
        """
        self.channel = channel
        self.start_ms = span.start_ms
        self.agreement = Agreement()
        self.revision = 0
        #: When a hypothesis was asked for, and when there was one; at first, when the utterance began.
        self.asked_at = self.answered_at = at
        #: Whether it is still to be compared with other channels.
        self.may_be_copy = True
        #: In line, being decoded or being published.
        self.under_way = False
        #: Nothing more of it is of interest.
        self.over = False
        #: Samples of which it was told, in the form in which they came.
        self.taken = 0
        self._audio_start_ms = span.audio_start_ms
        self._engines = engines
        self.options = options
        self._decoding: Future[Recognition] | None = None
        self._waiting: deque[Linear] = deque()
        # From here on only the thread that decodes touches it.
        self._stretch = LiveStretch(form)
        self._stream: RecognitionStream | None = None
        self._heard = 0
        #: Whether it was a tone or music when it was looked at, and how much of it there was then.
        self._silenced, self._looked_at = False, 0
        #: All of it, until it is known to be speech.
        self._screened: list[Samples] | None = []

    @property
    def has_news(self) -> bool:
        """Whether there is audio that no hypothesis has heard."""
        return bool(self._waiting)

    @property
    def heard_ms(self) -> int:
        """How much of the speech the last hypothesis heard."""
        return max(0, self._audio_start_ms + self._heard // SAMPLES_PER_MS - self.start_ms)

    @property
    def in_line(self) -> bool:
        """Whether a hypothesis is queued that has not begun."""
        return self._decoding is not None and not self._decoding.running()

    def add_audio(self, audio: Linear) -> None:
        """Add the next audio; a queued hypothesis will include it."""
        if len(audio):
            self.taken += len(audio) // SOUND_BYTES
            self._waiting.append(audio)

    def note_asked(self, decoding: Future[Recognition], *, at: float) -> None:
        """Notes that a hypothesis is queued."""
        self._decoding, self.asked_at, self.under_way = decoding, at, True

    def note_answered(self, *, at: float) -> float:
        """Notes that a hypothesis is made; returns the seconds since the one before."""
        since, self.answered_at = at - self.answered_at, at
        self._decoding = None
        return since

    def decode(self) -> Recognition:
        """Decode all audio so far. Blocks: call it in a thread."""
        if self._stream is None:
            engine = self._engines.choose_for_utterances(self.options)
            self._stream = engine.stream(channel=self.channel, start_ms=self._audio_start_ms, options=self.options)
        while self._waiting:
            samples = self._stretch.accept(self._waiting.popleft())
            self._stream.accept(samples)
            self._heard += len(samples)
            if self._screened is not None:
                self._screened.append(samples)
        return NOTHING_SAID if self._nobody_speaks() else self._stream.hypothesis()

    def _nobody_speaks(self) -> bool:
        """Whether all of it so far is a tone or music. Once that is ruled out for good, it is not looked at again."""
        if self._screened is None:
            return False
        if self._silenced or self._heard >= SCREENED_AGAIN * self._looked_at:
            samples = np.concatenate(self._screened)
            if is_ruled_out(samples):
                self._screened = None
                return False
            sound = classify(samples)
            self._silenced, self._looked_at = sound is not None and sound.surely, self._heard
        return self._silenced

    def end(self) -> None:
        """Cancel a queued hypothesis, and have one that is being decoded dropped."""
        self.over = True
        if self._decoding is None or self._decoding.cancel():
            self._close()
        else:
            # Its thread has the stream: when it is done nobody has.
            self._decoding.add_done_callback(lambda _: self._close())

    def _close(self) -> None:
        if self._stream is not None:
            self._stream.close()
            self._stream = None
