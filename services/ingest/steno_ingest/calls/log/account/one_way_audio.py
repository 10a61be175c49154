"""Detects one-way audio: a channel that is silent while there is sound on another one. Pure.

Only time with sound on another channel counts, so a call on hold, or one in which both sides wait, has no one-way audio. Each
silent span of a channel is reported once; it ends with sound on the channel.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from steno.events.records import AudioCodec
from steno.g711 import LINEAR_VALUES

#: A sample is loud from this value on, of 32768: -42 dBFS, above the noise of a line and below a whisper.
LOUD = 256

#: The percentage of loud samples, such as clicks, that a silent channel may have.
_CLICKS_PERCENT = 2
#: Only one of this many samples is examined, since every chunk of every call is.
_STEP = 4

_QUIET_BYTES = {
    **{codec: bytes(code for code, value in enumerate(values) if abs(value) < LOUD) for codec, values in LINEAR_VALUES.items()},
    # The upper byte of samples from -256 to 255.
    AudioCodec.S16LE: b"\x00\xff",
}


@dataclass(slots=True)
class ChannelSilence:
    """The silence on one channel. Positions are samples of one channel."""

    #: The start of the silence.
    silent_from: int = 0
    #: How long there was sound on other channels meanwhile; -1 once the silence was reported.
    others_heard: int = 0


class OneWayAudio:
    """The channels of a call, and the silence on each."""

    def __init__(self, codec: AudioCodec, channels: int, *, samples: int) -> None:
        """`samples`: how long there must be sound on other channels before a silent channel is reported."""
        self.silences = [ChannelSilence() for _ in range(channels)]
        self._samples = samples
        self._loudness = Loudness(codec, channels)

    def add(self, position: int, length: int, audio: bytes) -> Sequence[tuple[int, int]]:
        """Adds the next audio; returns each channel that is now reported as silent, with the start of its silence."""
        if len(self.silences) < 2:
            return ()
        heard = self._loudness.heard(audio)
        if True not in heard:
            return ()
        silent = []
        end = position + length
        for channel, silence in enumerate(self.silences):
            if heard[channel]:
                silence.silent_from = end
                silence.others_heard = 0
            elif silence.others_heard >= 0:
                silence.others_heard += length
                if silence.others_heard >= self._samples:
                    silence.others_heard = -1
                    silent.append((channel, silence.silent_from))
        return silent


class Loudness:
    """Detects sound on channels from the encoded bytes, without decoding them."""

    def __init__(self, codec: AudioCodec, channels: int) -> None:
        sample_bytes = codec.sample_bytes
        self._quiet = _QUIET_BYTES[codec]
        self._slices = [
            slice(channel * sample_bytes + sample_bytes - 1, None, sample_bytes * channels * _STEP)
            for channel in range(channels)
        ]

    def heard(self, audio: bytes) -> list[bool]:
        """Returns for each channel whether it has sound in a piece of audio."""
        quiet = self._quiet
        answers = []
        for part in self._slices:
            samples = audio[part]
            # The bytes that remain when the quiet ones are deleted are loud.
            answers.append(len(samples.translate(None, quiet)) * 100 > len(samples) * _CLICKS_PERCENT)
        return answers
