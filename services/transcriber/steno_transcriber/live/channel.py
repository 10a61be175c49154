"""One channel of a live call: how it is heard, and how far what was found on it is published. Pure."""

from collections import deque
from collections.abc import Callable, Iterator

from steno.events.records import ChannelMark, Observation
from steno_transcriber.live.audio import Linear, LiveForm
from steno_transcriber.speech import Utterance
from steno_transcriber.utterance_finder import GAIN, FinderMark, OtherChannels, UtteranceFinder


class LiveChannel:
    """Hears stretches of audio and finds the utterances in them that are not published yet.

    Begun from the mark of another one, and told of the same audio, it finds the same.
    """

    def __init__(
        self, index: int, mark: ChannelMark, form: LiveForm, *, beside: OtherChannels, report: Callable[[Observation], None]
    ) -> None:
        """See `UtteranceFinder`. The mark is the one at `index` of its checkpoint, whatever channel it names."""
        self._index = index
        self._form, self._raised_form = form, LiveForm(form.sample_rate, gain=GAIN)
        self._final_ms = mark.final_ms
        heard_from = FinderMark(
            restart_ms=mark.restart_ms,
            raised_restart_ms=mark.raised_restart_ms,
            raised=mark.raised,
            said_until_ms=mark.final_ms,
        )
        self._finder = UtteranceFinder(index, form, mark=heard_from, beside=beside, report=report)
        self._unpublished: deque[tuple[Utterance, FinderMark]] = deque()

    @property
    def form(self) -> LiveForm:
        """The form in which its audio is to be heard."""
        return self._raised_form if self._finder.raised else self._form

    @property
    def mark(self) -> ChannelMark:
        """From where it must be heard again, and what then is known already."""
        heard = self._unpublished[0][1] if self._unpublished else self._finder.mark
        return ChannelMark(
            channel=self._index,
            restart_ms=heard.restart_ms,
            raised_restart_ms=heard.raised_restart_ms,
            raised=heard.raised,
            final_ms=self._final_ms,
        )

    @property
    def heard_from_ms(self) -> int:
        """From where its audio is needed by whoever takes it over."""
        mark = self.mark
        return mark.restart_ms if mark.raised_restart_ms is None else min(mark.restart_ms, mark.raised_restart_ms)

    @property
    def open_utterance(self) -> Utterance | None:
        """What is being spoken, as far as it was heard: its phrase will have the same start."""
        utterance = self._finder.segmenter.open_utterance
        return utterance if utterance is not None and utterance.start_ms >= self._final_ms else None

    @property
    def open_since_ms(self) -> int | None:
        """Where the open utterance begins. Cheap: asked with every record."""
        start_ms = self._finder.segmenter.open_since_ms
        return start_ms if start_ms is not None and start_ms >= self._final_ms else None

    def open_audio(self, *, after: int) -> Linear:
        """The audio of the open utterance as it came, without the first so many samples."""
        audio: Linear = self._finder.segmenter.open_audio(after=after)
        return audio

    @property
    def needed_ms(self) -> int:
        """No utterance to come carries audio from before."""
        return self._finder.needed_ms

    def begin(self, start_ms: int) -> None:
        """A stretch of audio begins. What lies in it before the restart is known already."""
        self._finder.start(start_ms)

    def hear(self, audio: Linear) -> Iterator[Utterance]:
        """Take the next audio of the stretch and give what was said by its end."""
        yield from self._found(self._finder.add_audio(audio))

    def finish(self, until_ms: int | None = None) -> Iterator[Utterance]:
        """The stretch is over: what was open ends here, or at `until_ms`, where nobody is to hear what was said since."""
        yield from self._found(self._finder.finish(until_ms))

    def published(self, utterance: Utterance) -> None:
        """An utterance is done; they are done in the order in which they were given."""
        oldest, _ = self._unpublished.popleft()
        if oldest is not utterance:
            raise ValueError(f"utterances are published in their order: {oldest!r} before {utterance!r}")
        self._final_ms = utterance.end_ms

    def _found(self, utterances: Iterator[Utterance]) -> Iterator[Utterance]:
        for utterance in utterances:
            if utterance.start_ms >= self._final_ms:
                self._unpublished.append((utterance, self._finder.found_from))
                yield utterance
