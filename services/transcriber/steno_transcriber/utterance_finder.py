"""Finds the utterances of one channel, with its audio amplified where all speech on it is too quiet. Pure.

The voice detector finds quiet speech in pieces, and then not at all. As long as nothing loud was said on a channel, it is
searched twice: as it is, and amplified by a fixed gain ("raised").

| while a channel is searched twice | what follows |
|---|---|
| something is said at a level that the detector finds | only the channel as it is counts, to its end |
| `CONVINCING_MS` of quiet speech since the last restart, and none that was loud | only the raised audio counts, to its end |
| neither for `PATIENCE_MS`, or until the audio breaks off | what was found as it is counts |

So nothing changes for a channel with loud speech, and noise before that is not taken for speech. Sound that does not rise and
fall as speech does is not quiet speech, nor is sound while other channels are much louder: it is an echo of them, most likely.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from steno.events.observations import Observation, ObservationKind
from steno_transcriber.observations import observation_of
from steno_transcriber.segmenter import FRAME_MS, Audio, AudioForm, Segmenter, SegmenterOptions
from steno_transcriber.speech import Samples, Utterance, frame_powers
from steno_transcriber.tones_and_music import classify_surely

GAIN = 32
"""By how much a channel is raised: 30 dB."""

HEARD = 10 ** (-36 / 10)
"""The power of speech (its loudest frames) from which it is heard without. Six decibels below, half of it is not."""

AIM = 10 ** (-20 / 10)
"""The power to which the loudest frames of quiet speech are raised for the engine, where the gain suffices."""

RISE = 10 ** (15 / 10)
"""By how much the loudest frames of speech rise over the quietest; line noise and hum do by less."""

NOTHING = 8
"""The peak of a frame, of 32768, under which nothing can be heard in it even raised (-72 dBFS): one step of G.711."""

CONVINCING_MS = 2_500
"""So much quiet speech says that a channel is quiet. A breath or two, or a cough in the background, do not."""

PATIENCE_MS = 5_000
"""How long what was heard as it is waits for what will be heard raised: live, people wait for it."""

RAISED_EACH_MS = 960
"""How often a channel that is heard twice is heard raised: small pieces of audio cost more than what is done to them."""

_LOUD_FRAMES = 5
_QUIET_PERCENT = 15


@dataclass(frozen=True, slots=True, kw_only=True)
class FinderMark:
    """Where the audio of a channel must be given again from to come to the same utterances."""

    restart_ms: int
    #: From where raised; None where it is not any more.
    raised_restart_ms: int | None = 0
    #: It is heard raised, and no more as it is.
    raised: bool = False
    #: What was said before is known.
    said_until_ms: int = 0


class StretchSegmenter:
    """A segmenter for stretches of audio whose beginning it may have had before."""

    def __init__(self, channel: int, form: AudioForm, *, restart_ms: int, options: SegmenterOptions | None = None) -> None:
        self.form = form
        self._channel = channel
        self._options = options
        self._known = 0
        self.segmenter = self._from(restart_ms)

    def start(self, start_ms: int) -> None:
        """Start a stretch of audio; what lies before the restart is skipped."""
        if self.segmenter.restart_ms < start_ms:
            self.segmenter = self._from(start_ms)
        self._known = (self.segmenter.restart_ms - start_ms) * self.form.sample_rate * self.form.sample_items // 1000

    def add_audio(self, audio: Audio) -> Iterator[Utterance]:
        """Add the next audio of the stretch, and yield the utterances that ended in it."""
        known = min(self._known, len(audio))
        self._known -= known
        yield from self.segmenter.accept(audio[known:])

    def _from(self, restart_ms: int) -> Segmenter:
        return Segmenter(channel=self._channel, start_ms=restart_ms, options=self._options, form=self.form)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """An utterance, the segmenter that found it, the end of its audio then, and its restart."""

    by: StretchSegmenter
    utterance: Utterance
    heard_ms: int
    restart_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Undecided:
    """Utterances that are not decided yet, the end of their segmenter's audio then, and its restart."""

    parts: tuple[Utterance, ...]
    heard_ms: int
    restart_ms: int


class Raised:
    """A form of audio that is amplified for the voice detector only."""

    def __init__(self, form: AudioForm) -> None:
        self.sample_rate, self.sample_items = form.sample_rate, form.sample_items
        self._form = form

    def joined(self, pieces: Sequence[Audio]) -> Audio:
        """Do as the form does."""
        return self._form.joined(pieces)

    def sound(self, audio: Audio) -> bytes:
        """Amplify the audio, and replace almost silent frames by silence, which costs the detector no time."""
        linear = np.frombuffer(self._form.sound(audio), dtype="<i2")
        frame = FRAME_MS * self.sample_rate // 1000
        framed = linear[: len(linear) // frame * frame].reshape(-1, frame)
        something = (framed.max(axis=1, initial=0) >= NOTHING) | (framed.min(axis=1, initial=0) <= -NOTHING)
        raised = np.zeros(linear.shape, dtype="<i2")
        raised[: framed.size].reshape(framed.shape)[something] = (framed[something].astype(np.int32) * GAIN).clip(-32768, 32767)
        return raised.tobytes()

    def values(self, audio: Audio) -> Samples:
        """Do as the form does."""
        return self._form.values(audio)

    def samples(self, audio: Audio) -> Samples:
        """Do as the form does."""
        return self._form.samples(audio)


class OtherChannels(Protocol):
    """What must be known of the other channels of the call."""

    def remove_copies(self, utterance: Utterance) -> Sequence[Utterance]:
        """The parts of an utterance that are no copies of other channels."""

    def is_masked(self, utterance: Utterance) -> bool:
        """Whether other channels are so loud that an utterance may be an echo."""


class UtteranceFinder:
    """Finds the utterances of a channel. From the mark of another finder and with the same audio, it finds the same ones."""

    def __init__(
        self,
        channel: int,
        form: AudioForm,
        *,
        mark: FinderMark,
        beside: OtherChannels,
        report: Callable[[Observation], None],
        options: SegmenterOptions | None = None,
    ) -> None:
        """
        Args:
            mark: Where its audio starts.
            beside: The other channels.
            report: Called with an observation for speech that is too quiet to be found without amplification.
        """
        self._beside, self._report = beside, report
        self._said_until_ms = mark.said_until_ms
        self._plain: StretchSegmenter | None = None
        self._raised: StretchSegmenter | None = None
        # Heard raised only, both restarts are the same.
        raised_ms = mark.restart_ms if mark.raised else mark.raised_restart_ms
        if not mark.raised:
            self._plain = StretchSegmenter(channel, form, restart_ms=mark.restart_ms, options=options)
        if raised_ms is not None:
            self._raised = StretchSegmenter(channel, Raised(form), restart_ms=raised_ms, options=options)
        self._form = form
        #: What is still to be heard raised while it was heard as it is, and from where on that is due.
        self._behind: list[Audio] = []
        self._next_raised_ms = 0
        self._heard_by = [one for one in (self._plain, self._raised) if one is not None]
        self._mark_before: FinderMark | None = None
        #: While it is heard twice: what was found as it is and raised, each since its last restart, and is not decided.
        self._held: list[_Undecided] = []
        self._weighed: list[_Undecided] = []

    @property
    def mark(self) -> FinderMark:
        """Where audio must be given again from to find the utterances not yielded yet."""
        restart_ms, raised_ms = _restart_ms(self._plain, self._held), _restart_ms(self._raised, self._weighed)
        known_ms = raised_ms if restart_ms is None else restart_ms
        assert known_ms is not None  # it is heard one way at least
        return FinderMark(
            restart_ms=known_ms,
            raised_restart_ms=raised_ms,
            raised=self.raised,
            said_until_ms=self._said_until_ms,
        )

    @property
    def found_from(self) -> FinderMark:
        """Where audio must be given again from to find the utterance that is being yielded."""
        return self._mark_before or self.mark

    @property
    def raised(self) -> bool:
        """Whether only the raised audio counts."""
        return self._plain is None

    @property
    def segmenter(self) -> Segmenter:
        """The segmenter that has the open utterance."""
        return self._heard_by[0].segmenter

    @property
    def needed_ms(self) -> int:
        """No later utterance has audio from before this time."""
        needed_ms = self._heard_by[0].segmenter.needed_ms
        return min(needed_ms, self._heard_by[1].segmenter.needed_ms) if len(self._heard_by) > 1 else needed_ms

    @property
    def settled_ms(self) -> int:
        """No utterance that is yielded later begins before this time."""
        undecided = [part.start_ms for each in (*self._held, *self._weighed) for part in each.parts[:1]]
        return min([self.needed_ms, *undecided])

    def start(self, start_ms: int) -> None:
        """A stretch of audio begins. What lies in it before a restart is known already."""
        for heard in self._heard_by:
            heard.start(start_ms)

    def add_audio(self, audio: Audio) -> Iterator[Utterance]:
        """Add the next audio of the stretch, and yield the utterances that are decided."""
        self._mark_before = None
        if self._plain is None or self._raised is None:
            for utterance in self._heard_by[0].add_audio(audio):
                yield from self._give(utterance)
            return
        self._mark_before = self.mark
        self._behind.append(audio)
        found = self._found(self._plain, self._plain.add_audio(audio))
        heard_ms = self._plain.segmenter.heard_ms
        late = bool(self._held) and heard_ms > self._held[0].heard_ms + PATIENCE_MS
        if found or late or heard_ms >= self._next_raised_ms:
            self._next_raised_ms = (heard_ms // RAISED_EACH_MS + 1) * RAISED_EACH_MS
            found += self._found(self._raised, self._raised.add_audio(self._take_pending()))
        yield from self._decided(found)
        if late:
            yield from self._give_held()
        self._forget_old()

    def finish(self, until_ms: int | None = None) -> Iterator[Utterance]:
        """End the stretch, and the open utterance with it, or at `until_ms`, if later audio must not be used."""
        self._mark_before = self.mark
        found: list[_Found] = []
        if self._raised is not None:
            found += self._found(self._raised, self._raised.add_audio(self._take_pending()), until_ms)
        for heard in self._heard_by:
            found += self._found(heard, heard.segmenter.finish(), until_ms)
        yield from self._decided(found)
        yield from self._give_held()
        self._forget_weighed()

    def _take_pending(self) -> Audio:
        """Take the audio that is still to be searched raised."""
        behind, self._behind = self._behind, []
        return self._form.joined(behind)

    @staticmethod
    def _found(heard: StretchSegmenter, utterances: Iterator[Utterance], until_ms: int | None = None) -> "list[_Found]":
        found = []
        for whole in utterances:
            utterance = whole if until_ms is None else whole.until(until_ms)
            if utterance is not None:
                heard_ms, restart_ms = heard.segmenter.heard_ms, heard.segmenter.restart_ms
                found.append(_Found(by=heard, utterance=utterance, heard_ms=heard_ms, restart_ms=restart_ms))
        return found

    def _decided(self, found: list[_Found]) -> Iterator[Utterance]:
        """Decide on what was found, in order, so that the result does not depend on the length of audio blocks."""
        for one in sorted(found, key=lambda one: (one.heard_ms, one.by is self._raised)):
            yield from self._give_late(one.heard_ms)
            if self._raised is None or self._plain is None:
                if one.by in self._heard_by:
                    yield from self._give(one.utterance)
            elif one.by is self._plain:
                yield from self._hold(one)
            else:
                yield from self._weigh(one)

    def _give(self, utterance: Utterance) -> Iterator[Utterance]:
        parts = self._beside.remove_copies(utterance)
        yield from self._lifted(parts) if self.raised else parts

    def _hold(self, one: _Found) -> Iterator[Utterance]:
        """Handle an utterance found without amplification."""
        parts = tuple(self._beside.remove_copies(one.utterance))
        self._held.append(_Undecided(parts=parts, heard_ms=one.heard_ms, restart_ms=one.restart_ms))
        if any(loudness(part) >= HEARD and not is_sound(part) for part in parts):
            self._heard_by, self._raised = [one.by], None
            self._behind.clear()
            self._weighed.clear()
            yield from self._give_held()

    def _weigh(self, one: _Found) -> Iterator[Utterance]:
        """Handle an utterance found in the raised audio."""
        if self._weighed and self._weighed[0].restart_ms != one.restart_ms:
            self._forget_weighed()
        if not is_quiet_speech(one.utterance) or self._beside.is_masked(one.utterance):
            return
        parts = tuple(part for part in self._beside.remove_copies(one.utterance) if is_quiet_speech(part))
        self._weighed.append(_Undecided(parts=parts, heard_ms=one.heard_ms, restart_ms=one.restart_ms))
        if sum(part.duration_ms for each in self._weighed for part in each.parts) >= CONVINCING_MS:
            self._heard_by, self._plain = [one.by], None
            self._held.clear()
            weighed, self._weighed = self._weighed, []
            for each in weighed:
                yield from self._lifted(each.parts)

    def _give_late(self, heard_ms: int) -> Iterator[Utterance]:
        """Yield the utterances that have waited for long enough."""
        if self._held and heard_ms > self._held[0].heard_ms + PATIENCE_MS:
            yield from self._give_held()

    def _forget_old(self) -> None:
        """Drop raised utterances from before a restart: a process that takes over does not search there."""
        if self._raised is not None and self._weighed and self._weighed[0].restart_ms < self._raised.segmenter.restart_ms:
            self._forget_weighed()

    def _give_held(self) -> Iterator[Utterance]:
        held, self._held = self._held, []
        for each in held:
            for part in each.parts:
                self._said_until_ms = part.end_ms
                yield part

    def _forget_weighed(self) -> None:
        for each in self._weighed:
            for part in each.parts:
                self._report(observation_of(part, ObservationKind.TOO_QUIET))
        self._weighed.clear()

    def _lifted(self, parts: Iterable[Utterance]) -> Iterator[Utterance]:
        """Yield utterances amplified as much as the engine needs."""
        for whole in parts:
            # Something in it may have been heard without, and be given.
            part = whole.since(self._said_until_ms)
            if part is None:
                continue
            if loudness(part) >= HEARD:
                yield part
            elif is_quiet_speech(part):
                self._report(observation_of(part, ObservationKind.TOO_QUIET))
                gain = np.float32(min(GAIN, (AIM / loudness(part)) ** 0.5))
                yield replace(part, samples=(part.samples * gain).clip(-1.0, 1.0))


def _restart_ms(heard: StretchSegmenter | None, undecided: list[_Undecided]) -> int | None:
    """Where audio must be given again from for what a segmenter found and is not decided, and for what it will find."""
    if heard is None:
        return None
    restart_ms = heard.segmenter.restart_ms
    return min(restart_ms, undecided[0].restart_ms) if undecided else restart_ms


def loudness(utterance: Utterance) -> float:
    """The power of the loudest frames of an utterance."""
    powers = frame_powers(utterance.samples, FRAME_MS)
    return float(np.sort(powers)[-_LOUD_FRAMES:][0]) if len(powers) else 0.0


def is_sound(utterance: Utterance) -> bool:
    """Whether an utterance is a tone or music, which says nothing about the loudness of speech."""
    return classify_surely(utterance.samples) is not None


def is_quiet_speech(utterance: Utterance) -> bool:
    """Whether a quiet utterance rises and falls as speech does."""
    powers, loudest = frame_powers(utterance.samples, FRAME_MS), loudness(utterance)
    return 0.0 < loudest < HEARD and loudest >= RISE * float(np.percentile(powers, _QUIET_PERCENT))
