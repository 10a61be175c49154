"""Somebody who hears a live call from its log, and exactly what comes of that."""

from dataclasses import dataclass

from steno_transcriber.live.call import LiveCall, LiveUtterance, first_checkpoint
from steno_transcriber.observations import observation_of
from steno_transcriber.speech import SAMPLES_PER_MS
from support.live_calls import BEGAN, Entry, Heard
from support.speech import call_audio

from steno.events.observations import ObservationKind
from steno.events.records import CallCheckpoint, CallStarted

Exact = tuple[int, int, int, int, bytes, str, str]


def exact(found: LiveUtterance) -> Exact:
    cut = found.utterance
    return (
        *(cut.channel, cut.start_ms, cut.duration_ms, cut.padding_before_ms),
        *(cut.samples.tobytes(), str(found.role), found.options.locale),
    )


def start_of(log: list[Entry]) -> CallCheckpoint:
    assert isinstance(log[0].record, CallStarted)
    return first_checkpoint(log[0].record, log[0].offset, written_at=log[0].written_at)


@dataclass
class Listener:
    """Somebody who has a call: takes its log, and publishes some utterances later than they end. Of each it tells that it was
    a tone, too."""

    call: LiveCall
    published: list[Exact]
    waiting: list[LiveUtterance]

    @classmethod
    def of(cls, checkpoint: CallCheckpoint, published: list[Exact] | None = None) -> "Listener":
        return cls(LiveCall(checkpoint), published or [], [])

    def take(self, entry: Entry) -> None:
        self.waiting += self.call.add_record(entry.record, offset=entry.offset, written_at=entry.written_at)

    def publish(self, *, leave: int = 0) -> None:
        while len(self.waiting) > leave:
            found = self.waiting.pop(0)
            assert self.call.next_phrase == len(self.published)
            self.published.append(exact(found))
            self.call.note_published(
                found.utterance, step_states={}, observation=observation_of(found.utterance, ObservationKind.TONE)
            )

    def checkpoint(self, log_end: int) -> CallCheckpoint:
        return self.call.checkpoint(log_end=log_end, saved_at=BEGAN)


def undisturbed(log: list[Entry]) -> list[Exact]:
    return listened(log).published


def listened(log: list[Entry]) -> Listener:
    """Somebody who has heard a call whole."""
    listener = Listener.of(start_of(log))
    for entry in log:
        listener.take(entry)
    listener.publish()
    return listener


def speech(begin_ms: int, milliseconds: int) -> Heard:
    return call_audio()[:, begin_ms * SAMPLES_PER_MS : (begin_ms + milliseconds) * SAMPLES_PER_MS]
