"""One channel of a live call: its segmenter, and how far what it found is published. Pure."""

from collections import deque
from collections.abc import Callable, Iterator

from steno.events.records import ChannelMark
from steno_transcriber.copies import Apart
from steno_transcriber.live.audio import Linear, LiveForm
from steno_transcriber.segmenter import SOUND_BYTES, Segmenter
from steno_transcriber.speech import Utterance


class LiveChannel:
    """Hears stretches of audio and finds the utterances in them that are not published yet.

    Begun from the mark of another one, and told of the same audio, it finds the same.
    """

    def __init__(self, mark: ChannelMark, form: LiveForm, *, apart: Callable[[Utterance], Apart]) -> None:
        """`apart` takes from an utterance what is a copy of another channel."""
        self._index = mark.channel
        self._form = form
        self._apart = apart
        self._segmenter = self._segmenter_from(mark.restart_ms)
        self._final_ms = mark.final_ms
        self._known_samples = 0
        self._unpublished: deque[tuple[Utterance, int]] = deque()

    @property
    def form(self) -> LiveForm:
        """The form of its audio."""
        return self._form

    @property
    def mark(self) -> ChannelMark:
        """From where it must be heard again, and what then is known already."""
        restart_ms = self._unpublished[0][1] if self._unpublished else self._segmenter.restart_ms
        return ChannelMark(channel=self._index, restart_ms=restart_ms, final_ms=self._final_ms)

    @property
    def open_utterance(self) -> Utterance | None:
        """What is being spoken, as far as it was heard: its phrase will have the same start."""
        utterance = self._segmenter.open_utterance
        return utterance if utterance is not None and utterance.start_ms >= self._final_ms else None

    @property
    def open_since_ms(self) -> int | None:
        """Where the open utterance begins. Cheap: asked with every record."""
        start_ms = self._segmenter.open_since_ms
        return start_ms if start_ms is not None and start_ms >= self._final_ms else None

    def open_audio(self, *, after: int) -> Linear:
        """The audio of the open utterance as it came, without the first so many samples."""
        audio: Linear = self._segmenter.open_audio(after=after)
        return audio

    @property
    def needed_ms(self) -> int:
        """No utterance to come carries audio from before."""
        return self._segmenter.needed_ms

    def begin(self, start_ms: int) -> None:
        """A stretch of audio begins. What lies in it before the restart is known already."""
        if self._segmenter.restart_ms < start_ms:
            self._segmenter = self._segmenter_from(start_ms)
        self._known_samples = (self._segmenter.restart_ms - start_ms) * self._form.sample_rate // 1000

    def hear(self, audio: Linear) -> Iterator[Utterance]:
        """Take the next audio of the stretch and give the utterances that ended in it."""
        if self._known_samples:
            known = min(self._known_samples, len(audio) // SOUND_BYTES)
            self._known_samples -= known
            audio = audio[SOUND_BYTES * known :]
        yield from self._found(self._segmenter.accept(audio))

    def finish(self, until_ms: int | None = None) -> Iterator[Utterance]:
        """The stretch is over: what was open ends here, or at `until_ms`, where nobody is to hear what was said since."""
        yield from self._found(self._segmenter.finish(), until_ms)

    def published(self, utterance: Utterance) -> None:
        """An utterance is done; they are done in the order in which they were given."""
        oldest, _ = self._unpublished.popleft()
        if oldest is not utterance:
            raise ValueError(f"utterances are published in their order: {oldest!r} before {utterance!r}")
        self._final_ms = utterance.end_ms

    def _segmenter_from(self, start_ms: int) -> Segmenter:
        return Segmenter(channel=self._index, start_ms=start_ms, form=self._form)

    def _found(self, utterances: Iterator[Utterance], until_ms: int | None = None) -> Iterator[Utterance]:
        for whole in utterances:
            heard = whole if until_ms is None else whole.until(until_ms)
            # What is final need not be taken apart again, unless its last part is not.
            if heard is None or heard.end_ms <= self._final_ms:
                continue
            # The segmenter has not gone on yet: this is the restart from which the utterance follows.
            restart_ms = self._segmenter.restart_ms
            unpublished = [part for part in self._apart(heard).said if part.start_ms >= self._final_ms]
            # All at once: with the first of them published the others must still be heard again.
            self._unpublished.extend((part, restart_ms) for part in unpublished)
            yield from unpublished
