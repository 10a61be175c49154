"""The state of one channel of a live call for a call engine: its audio, and how far it was answered. Pure."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from steno.events.records import ChannelMark
from steno_transcriber.engines.port import FinalAnswer, PartialAnswer
from steno_transcriber.live.audio import Linear, LiveForm, LiveStretch
from steno_transcriber.speech import SAMPLES_PER_MS, Recognition, Samples, Utterance


class SentChannel:
    """Converts the audio of a channel for the engine, and remembers what was answered.

    Begun from the mark of another one, and told of the same audio, it sends silence in place of what was answered.
    """

    def __init__(self, index: int, mark: ChannelMark, form: LiveForm) -> None:
        self._index = index
        self._form = form
        #: Audio from before was answered when this was begun.
        self._known_ms = mark.restart_ms
        self._settled_ms = mark.restart_ms
        self._final_ms = mark.final_ms
        self._stretch = LiveStretch(form)
        self._sent: list[Samples] = []
        self._position = 0
        self._heard = 0
        #: What came after a pause that was told late; nobody is to read it.
        self._hidden: list[tuple[int, int]] = []

    @property
    def mark(self) -> ChannelMark:
        """From where it must be sent again, and what then is known already."""
        return ChannelMark(channel=self._index, restart_ms=self._settled_ms, final_ms=self._final_ms)

    @property
    def heard_from_ms(self) -> int:
        """From where its audio is needed by whoever takes it over."""
        return self._settled_ms

    @property
    def settled_ms(self) -> int:
        """No later answer begins before this time."""
        return self._settled_ms

    @property
    def heard_ms(self) -> int:
        """How far it was heard."""
        return self._heard // SAMPLES_PER_MS

    @property
    def position(self) -> int:
        """Samples that engines hear before what comes next."""
        return self._position

    @property
    def known_ms(self) -> int:
        """Audio from before need not be sent."""
        return self._known_ms

    def start(self, start_ms: int) -> None:
        """A stretch of audio begins."""
        self._stretch = LiveStretch(self._form)
        self._position = start_ms * SAMPLES_PER_MS

    def add_audio(self, audio: Linear) -> Iterator[Utterance]:
        """Take the next audio of the stretch. There are no utterances: the engine cuts."""
        samples = self._stretch.accept(audio)
        known = self._known_ms * SAMPLES_PER_MS - self._position
        if known > 0:
            samples = np.concatenate([np.zeros(min(known, len(samples)), dtype=np.float32), samples[known:]])
        self._sent.append(samples)
        self._position += len(samples)
        self._heard = self._position
        yield from ()

    def finish(self, until_ms: int | None = None) -> Iterator[Utterance]:
        """The stretch is over; what was said in it after `until_ms` nobody is to read."""
        if until_ms is not None:
            self._hidden.append((until_ms, self.heard_ms))
        yield from ()

    def sent(self) -> Samples:
        """The audio to be sent since this was asked last."""
        sent = np.concatenate([np.zeros(0, dtype=np.float32), *self._sent])
        self._sent = []
        return sent

    def readable(self, answer: FinalAnswer | PartialAnswer) -> Recognition | None:
        """What is to be published of an answer, if anything is: it may be known already, or lie where nobody is to read."""
        if answer.start_ms < self._final_ms or not answer.recognition:
            return None
        hidden = [(begin, end) for begin, end in self._hidden if begin < answer.end_ms and answer.start_ms < end]
        if not hidden:
            return answer.recognition
        words = tuple(
            word
            for word in answer.recognition.words
            if not any(begin < word.start_ms + word.duration_ms and word.start_ms < end for begin, end in hidden)
        )
        return replace(answer.recognition, text=" ".join(word.text for word in words), words=words) if words else None

    def settle(self, until_ms: int) -> None:
        """Audio from before need not be sent again."""
        self._settled_ms = max(self._settled_ms, until_ms)

    def answered(self, answer: FinalAnswer) -> None:
        """An answer is published, or known."""
        self._final_ms = max(self._final_ms, answer.end_ms)
        self.settle(answer.end_ms)
