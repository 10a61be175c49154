"""Utterances that are still being spoken: collects their audio, and decodes what there is so far, of several together."""

from collections import deque
from collections.abc import Hashable, Sequence
from concurrent.futures import Future

import numpy as np

from steno_transcriber.engines.port import OpenSpeech, RecognitionOptions, UtteranceEngine
from steno_transcriber.live.agreement import Agreement
from steno_transcriber.live.audio import Linear, LiveForm, LiveStretch
from steno_transcriber.screening import NOTHING_SAID
from steno_transcriber.segmenter import SOUND_BYTES, OpenSpan
from steno_transcriber.speech import SAMPLES_PER_MS, Recognition, Samples, Utterance
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
        engine: UtteranceEngine,
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
        self.engine = engine
        self.options = options
        self._samples_per_ms = form.sample_rate / 1000
        self._decoding: Future[Recognition] | None = None
        self._waiting: deque[Linear] = deque()
        # From here on only the thread that decodes touches it.
        self._stretch = LiveStretch(form)
        self._samples: list[Samples] = []
        self._heard = 0
        #: Whether it was a tone or music when it was looked at, and how much of it there was then.
        self._silenced, self._looked_at = False, 0
        #: Whether it may still be a tone or music.
        self._screened = True

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

    @property
    def kind(self) -> Hashable:
        """What hypotheses have in common that are decoded together."""
        return self.engine, self.engine.hypothesis_window_ms(round(self.taken / self._samples_per_ms))

    def hear(self) -> OpenSpeech | None:
        """All audio so far, as the engine is given it; None where nobody speaks. Blocks: call it in a thread."""
        while self._waiting:
            samples = self._stretch.accept(self._waiting.popleft())
            self._samples.append(samples)
            self._heard += len(samples)
        if self._heard < SAMPLES_PER_MS:
            return None
        self._samples = [np.concatenate(self._samples)]
        if self._nobody_speaks(self._samples[0]):
            return None
        utterance = Utterance(
            channel=self.channel,
            start_ms=self._audio_start_ms,
            duration_ms=self._heard // SAMPLES_PER_MS,
            padding_before_ms=0,
            samples=self._samples[0],
        )
        return OpenSpeech(utterance=utterance, options=self.options)

    def _nobody_speaks(self, samples: Samples) -> bool:
        """Whether all of it so far is a tone or music. Once that is ruled out for good, it is not looked at again."""
        if self._screened and (self._silenced or self._heard >= SCREENED_AGAIN * self._looked_at):
            if is_ruled_out(samples):
                self._screened = self._silenced = False
            else:
                sound = classify(samples)
                self._silenced, self._looked_at = sound is not None and sound.surely, self._heard
        return self._silenced

    def end(self) -> None:
        """Cancel a queued hypothesis, and have one that is being decoded dropped."""
        self.over = True
        if self._decoding is not None and self._decoding.cancel():
            # It may stand in line for long.
            self._waiting.clear()
            self._samples.clear()


def kind_of(spoken: OpenUtterance) -> Hashable:
    """What hypotheses have in common that are decoded together. Any thread."""
    return spoken.kind


def decode_together(spoken: Sequence[OpenUtterance]) -> list[Recognition]:
    """Decode all audio so far of utterances of one kind. Blocks: call it in a thread."""
    heard = [each.hear() for each in spoken]
    decoded = iter(spoken[0].engine.hypotheses([speech for speech in heard if speech is not None]))
    return [NOTHING_SAID if speech is None else next(decoded) for speech in heard]
