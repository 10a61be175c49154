"""The state of a live call that is sent to a call engine as a whole. Pure.

It reads the log as every live call does. A checkpoint of it says how far each channel was answered; whoever takes the call over
sends the audio behind that again.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from steno.events.observations import Observation
from steno.events.records import CallCheckpoint
from steno_transcriber.engines.port import CallAudio, FinalAnswer, PartialAnswer, SilentUntil
from steno_transcriber.live.audio import Linear, LiveForm
from steno_transcriber.live.call import HeardChannel, LiveCall
from steno_transcriber.live.sent_channel import SentChannel
from steno_transcriber.speech import SAMPLES_PER_MS, Recognition, Utterance


class SentCall(LiveCall):
    """The state of one live call: audio to be sent, and what was answered."""

    _sent_channels: tuple[SentChannel, ...]

    def __init__(self, checkpoint: CallCheckpoint) -> None:
        super().__init__(checkpoint)
        self._outgoing: list[CallAudio] = []

    def audio_to_send(self) -> list[CallAudio]:
        """Returns the audio to be sent since the last call of this method."""
        outgoing, self._outgoing = self._outgoing, []
        return outgoing

    @property
    def settled_ms(self) -> int:
        """Audio from before need not be sent again, on any channel."""
        return min(channel.heard_from_ms for channel in self._sent_channels)

    def settle(self, until_ms: int) -> None:
        """Notes that all answers to audio before a time are published."""
        for channel in self._sent_channels:
            channel.settle(until_ms)

    def unanswered(self, audio: CallAudio) -> CallAudio:
        """The audio with silence in place of what was answered."""
        samples = audio.samples.copy()
        for heard, channel in zip(samples, self._sent_channels, strict=True):
            heard[: max(0, channel.heard_from_ms * SAMPLES_PER_MS - audio.position)] = 0
        return replace(audio, samples=samples)

    def readable(self, answer: FinalAnswer | PartialAnswer) -> Recognition | None:
        """What is to be published of an answer, if anything is."""
        return self._sent_channels[answer.channel].readable(answer)

    def answered(self, answer: FinalAnswer | SilentUntil, *, step_states: Mapping[str, str] | None = None) -> None:
        """Notes that a span was answered. `step_states` are the states of the steps after its phrase, where it made one."""
        channel = self._sent_channels[answer.channel]
        if isinstance(answer, FinalAnswer):
            channel.answered(answer)
            self._note_said(answer.end_ms)
        else:
            channel.settle(answer.until_ms)
        if step_states is not None:
            self._note_phrase_published(step_states)

    def _make_channels(
        self, checkpoint: CallCheckpoint, form: LiveForm, report: Callable[[Observation], None]
    ) -> Sequence[HeardChannel]:
        self._sent_channels = tuple(SentChannel(index, mark, form) for index, mark in enumerate(checkpoint.marks))
        return self._sent_channels

    def _cut(self, sound: list[Linear]) -> Iterator[Utterance]:
        begin = self._sent_channels[0].position
        for channel, samples in zip(self._sent_channels, sound, strict=True):
            yield from channel.add_audio(samples)
        audio = CallAudio(position=begin, samples=np.stack([channel.sent() for channel in self._sent_channels]))
        if audio.end_ms > min(channel.known_ms for channel in self._sent_channels):
            self._outgoing.append(audio)

    @property
    def _pending(self) -> bool:
        return self._hearing or self.ended or any(channel.heard_from_ms < channel.heard_ms for channel in self._sent_channels)
