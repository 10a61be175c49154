"""The linear value of each G.711 code, on a scale of 16 bits (ITU-T G.711, tables 1 and 2). Pure."""

from collections.abc import Mapping

from steno.events.records import AudioCodec


def _mu_law(code: int) -> int:
    inverted = ~code & 0xFF
    magnitude = ((((inverted & 0x0F) << 3) + 0x84) << ((inverted & 0x70) >> 4)) - 0x84
    return magnitude if code & 0x80 else -magnitude


def _a_law(code: int) -> int:
    # Every other bit is inverted on the line.
    inverted = code ^ 0x55
    exponent, mantissa = (inverted & 0x70) >> 4, (inverted & 0x0F) << 4
    magnitude = mantissa + 8 if exponent == 0 else (mantissa + 0x108) << (exponent - 1)
    return magnitude if code & 0x80 else -magnitude


MU_LAW = tuple(map(_mu_law, range(256)))
A_LAW = tuple(map(_a_law, range(256)))

LINEAR_VALUES: Mapping[AudioCodec, tuple[int, ...]] = {AudioCodec.PCMU: MU_LAW, AudioCodec.PCMA: A_LAW}
"""The table of each codec that has one: the place in the table is the code."""
