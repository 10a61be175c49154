"""Finds one-way audio: a channel on which nobody is heard while somebody else speaks. Pure.

Only the time in which somebody else is heard counts, so a call on hold, or one in which both sides wait, has no one-way audio.
Each silent span of a channel is reported once; it ends when somebody is heard on the channel.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from steno.events.records import AudioCodec
from steno.g711 import LINEAR_VALUES

#: A sample is loud from this value on, of 32768: -42 dBFS, above the noise of a line and below a whisper.
LOUD = 256

#: So many of a hundred samples may be loud on a channel where nobody is heard: clicks.
_CLICKS_PERCENT = 2
#: Every chunk of every call is looked at, so only one sample of so many is.
_STEP = 4

_QUIET_BYTES = {
    **{codec: bytes(code for code, value in enumerate(values) if abs(value) < LOUD) for codec, values in LINEAR_VALUES.items()},
    # The upper byte of a sample: from -256 up to 255.
    AudioCodec.S16LE: b"\x00\xff",
}


@dataclass(slots=True)
class ChannelSilence:
    """How long nobody has been heard on one channel. Positions are samples of one channel."""

    #: Since when nobody is heard.
    silent_from: int = 0
    #: For how long others were heard meanwhile; -1 once that was reported.
    others_heard: int = 0


class OneWayAudio:
    """The channels of a call, and the silence on each."""

    def __init__(self, codec: AudioCodec, channels: int, *, samples: int) -> None:
        """`samples`: for how long others must be heard before a silent channel is reported."""
        self.silences = [ChannelSilence() for _ in range(channels)]
        self._samples = samples
        self._loudness = Loudness(codec, channels)

    def add(self, position: int, length: int, audio: bytes) -> Sequence[tuple[int, int]]:
        """Adds the next audio; returns each channel that counts as silent from now on, with the position since when it is."""
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
    """Tells on which channels somebody is heard, from the bytes of the codec and without decoding them."""

    def __init__(self, codec: AudioCodec, channels: int) -> None:
        sample_bytes = codec.sample_bytes
        self._quiet = _QUIET_BYTES[codec]
        self._slices = [
            slice(channel * sample_bytes + sample_bytes - 1, None, sample_bytes * channels * _STEP)
            for channel in range(channels)
        ]

    def heard(self, audio: bytes) -> list[bool]:
        """For each channel, whether somebody is heard in this audio."""
        quiet = self._quiet
        answers = []
        for part in self._slices:
            samples = audio[part]
            # What is left when the quiet bytes are deleted is loud.
            answers.append(len(samples.translate(None, quiet)) * 100 > len(samples) * _CLICKS_PERCENT)
        return answers
