"""One channel of a live call: finds its utterances, and remembers how far they are published. Pure."""

from collections import deque
from collections.abc import Callable, Iterator

from steno.events.observations import Observation
from steno.events.records import ChannelMark
from steno_transcriber.live.audio import Linear, LiveForm
from steno_transcriber.segmenter import OpenSpan, SegmenterOptions
from steno_transcriber.speech import Utterance
from steno_transcriber.utterance_finder import GAIN, FinderMark, OtherChannels, UtteranceFinder


class LiveChannel:
    """Finds the utterances of a channel that are not published yet.

    From the mark of another one, and with the same audio, it finds the same utterances.
    """

    def __init__(
        self,
        index: int,
        mark: ChannelMark,
        form: LiveForm,
        *,
        beside: OtherChannels,
        report: Callable[[Observation], None],
        options: SegmenterOptions,
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
        self._finder = UtteranceFinder(index, form, mark=heard_from, beside=beside, report=report, options=options)
        self._unpublished: deque[tuple[Utterance, FinderMark]] = deque()

    @property
    def form(self) -> LiveForm:
        """The form in which its audio is to be heard."""
        return self._raised_form if self._finder.raised else self._form

    @property
    def mark(self) -> ChannelMark:
        """Where its audio must be given again from, and what is already published from there on."""
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
        """Where a process that takes it over needs its audio from."""
        mark = self.mark
        return mark.restart_ms if mark.raised_restart_ms is None else min(mark.restart_ms, mark.raised_restart_ms)

    @property
    def open_span(self) -> OpenSpan | None:
        """Where the open utterance is so far: its phrase will have the same start."""
        span = self._finder.segmenter.open_span
        return span if span is not None and span.start_ms >= self._final_ms else None

    @property
    def open_since_ms(self) -> int | None:
        """Where the open utterance begins. Cheap: asked with every record."""
        start_ms = self._finder.segmenter.open_since_ms
        return start_ms if start_ms is not None and start_ms >= self._final_ms else None

    def open_audio(self, *, after: int) -> Linear:
        """The audio of the open utterance, without the first `after` samples."""
        audio: Linear = self._finder.segmenter.open_audio(after=after)
        return audio

    @property
    def needed_ms(self) -> int:
        """No later utterance has audio from before this time."""
        return self._finder.needed_ms

    @property
    def settled_ms(self) -> int:
        """No utterance that is yielded later begins before this time."""
        return self._finder.settled_ms

    def start(self, start_ms: int) -> None:
        """Start a stretch of audio; what lies before the restart is skipped."""
        self._finder.start(start_ms)

    def add_audio(self, audio: Linear) -> Iterator[Utterance]:
        """Add the next audio of the stretch, and yield the utterances that ended in it."""
        yield from self._found(self._finder.add_audio(audio))

    def finish(self, until_ms: int | None = None) -> Iterator[Utterance]:
        """End the stretch, and the open utterance with it, or at `until_ms`, if later audio must not be used."""
        yield from self._found(self._finder.finish(until_ms))

    def note_published(self, utterance: Utterance) -> None:
        """Notes that an utterance is published, in the order in which they were yielded."""
        oldest, _ = self._unpublished.popleft()
        if oldest is not utterance:
            raise ValueError(f"utterances are published in their order: {oldest!r} before {utterance!r}")
        self._final_ms = utterance.end_ms

    def _found(self, utterances: Iterator[Utterance]) -> Iterator[Utterance]:
        for utterance in utterances:
            if utterance.start_ms >= self._final_ms:
                self._unpublished.append((utterance, self._finder.found_from))
                yield utterance
