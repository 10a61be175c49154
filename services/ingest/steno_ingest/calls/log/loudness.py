"""Whether anybody is heard on a channel, told from the bytes of its codec without decoding them. Pure.

It is asked of each chunk of each call, so it looks at every fourth sample, and counts those that are loud by deleting the
bytes that are not.
"""

from steno.events.records import AudioCodec

#: A sample is loud from here on, of 32768: -42 dBFS, above the noise of a line and below a whisper.
LOUD = 256

#: So many of a hundred samples may be loud on a channel where nobody is heard: clicks.
_CLICKS_PERCENT = 2
_STEP = 4


def ulaw_magnitude(code: int) -> int:
    """ITU-T G.711 table 2, on a scale of 16 bits."""
    inverted = ~code & 0xFF
    return ((((inverted & 0x0F) << 3) + 0x84) << ((inverted & 0x70) >> 4)) - 0x84


def alaw_magnitude(code: int) -> int:
    """ITU-T G.711 table 1, on a scale of 16 bits."""
    toggled = code ^ 0x55
    exponent, mantissa = (toggled & 0x70) >> 4, toggled & 0x0F
    return (mantissa << 4) + 8 if exponent == 0 else ((mantissa << 4) + 0x108) << (exponent - 1)


_QUIET = {
    AudioCodec.PCMU: bytes(code for code in range(256) if ulaw_magnitude(code) < LOUD),
    AudioCodec.PCMA: bytes(code for code in range(256) if alaw_magnitude(code) < LOUD),
    # The upper byte of a sample: from -256 up to 255.
    AudioCodec.S16LE: b"\x00\xff",
}


class Loudness:
    """Listens to audio of one codec and number of channels."""

    def __init__(self, codec: AudioCodec, channels: int) -> None:
        sample_bytes = codec.sample_bytes
        self._quiet = _QUIET[codec]
        self._places = [
            slice(channel * sample_bytes + sample_bytes - 1, None, sample_bytes * channels * _STEP)
            for channel in range(channels)
        ]

    def heard(self, audio: bytes) -> list[bool]:
        """For each channel, whether somebody is heard in this audio."""
        quiet = self._quiet
        answers = []
        for place in self._places:
            samples = audio[place]
            answers.append(len(samples.translate(None, quiet)) * 100 > len(samples) * _CLICKS_PERCENT)
        return answers
