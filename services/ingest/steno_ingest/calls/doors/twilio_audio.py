"""Reads the audio of Twilio-shaped media streams: its format, and its bytes out of a message. Pure.

Linear audio of 16 bits has no agreed order of bytes: `L16` is most significant byte first (RFC 3551 §4.5.11), and most
platforms that say so send the least significant one first. The audio itself tells: read in the wrong order, speech is noise.
"""

import base64
import binascii
import sys
from array import array
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from steno.events.records import AudioCodec
from steno_ingest.calls.doors.audio_format import AudioFormat
from steno_ingest.calls.doors.twilio_dialects import Dialect
from steno_ingest.calls.doors.twilio_values import BadMessage, StreamError, number, shown

SAMPLE_RATE = 8000
"""Of G.711, and of what does not say."""

_RATES = {AudioCodec.PCMU: (8000,), AudioCodec.PCMA: (8000,), AudioCodec.S16LE: (8000, 16000)}

_NAMES = {
    AudioCodec.PCMU: ("mulaw", "mu-law", "ulaw", "u-law", "pcmu", "g711_ulaw", "g711u"),
    AudioCodec.PCMA: ("alaw", "a-law", "pcma", "g711_alaw", "g711a"),
    AudioCodec.S16LE: ("l16", "slin", "lin16", "linear16", "pcm", "pcm16", "pcm_s16le", "s16le", "raw"),
}
_CODECS = {name: codec for codec, names in _NAMES.items() for name in names}

_SMOOTHER = 4
"""How many times less the samples of the right order of bytes differ from one to the next, where it counts as found."""

_LEAST_DIFFERENT = 16
"""Of fewer different samples, as in silence and square waves, nothing is to be learnt."""


def format_of(told: Mapping[str, Any], dialect: Dialect) -> AudioFormat:
    """Reads what `start` tells of the format, `audio/x-mulaw` at 8000 or so; what it leaves out is as the platform has it.

    Raises:
        StreamError: it is of a kind that is not taken.
    """
    encoding = told.get("encoding")
    name, _, parameters = encoding.partition(";") if isinstance(encoding, str) else ("", "", "")
    name = name.strip().lower().removeprefix("audio/").removeprefix("raw/").removeprefix("x-")
    # That it is in base64 does not say how it is coded.
    codec = dialect.codec if encoding in (None, "", "base64") else _CODECS.get(name)
    rate = number(told, dialect.sample_rate)
    if rate is None:
        rate = number(dict([parameters.strip().partition("=")[::2]]), "rate")
    rate = SAMPLE_RATE if rate is None else rate
    channels = number(told, "channels")
    if codec is None or rate not in _RATES[codec] or channels not in (None, 1):
        raise StreamError(
            f"the stream carries {shown(encoding)} at {rate:g} Hz in {channels or 1:g} channels; set it to G.711 "
            f"(audio/x-mulaw) at 8000 Hz, or to linear 16 bit at 8000 or 16000 Hz, in 1 channel"
        )
    return AudioFormat(codec, int(rate))


class Payloads:
    """The audio of one stream's messages; linear audio comes out with the least significant byte first."""

    def __init__(self, codec: AudioCodec) -> None:
        self._codec = codec
        #: Whether bytes are to be swapped; None until the audio has told.
        self._swap: bool | None = None if codec is AudioCodec.S16LE else False

    def audio(self, payload: Any) -> bytes:
        """The audio of a `media` message, in base64 with or without its padding.

        Raises:
            BadMessage: it is not base64, or no whole number of samples.
        """
        try:
            audio = base64.b64decode(payload + "=" * (-len(payload) % 4), validate=True)
        except (binascii.Error, TypeError, ValueError):
            raise BadMessage("payload", "media.payload is not base64") from None
        if len(audio) % self._codec.sample_bytes:
            raise BadMessage(
                "payload", f"media.payload has {len(audio)} bytes, which are no whole number of samples of 16 bits"
            )
        if self._swap is None:
            self._swap = _to_be_swapped(audio)
        return _samples(audio, swap=True).tobytes() if self._swap else audio


def _to_be_swapped(audio: bytes) -> bool | None:
    """Whether linear audio has its most significant byte first; None where it does not tell."""
    if not any(audio):
        return None
    kept, swapped = _samples(audio, swap=sys.byteorder == "big"), _samples(audio, swap=sys.byteorder == "little")
    if len(set(kept)) < _LEAST_DIFFERENT:
        return None
    little, big = _roughness(kept), _roughness(swapped)
    if min(little, big) * _SMOOTHER > max(little, big):
        return None
    return big < little


def _samples(audio: bytes, *, swap: bool) -> "array[int]":
    samples = array("h", audio)
    if swap:
        samples.byteswap()
    return samples


def _roughness(samples: "array[int]") -> int:
    return sum(abs(after - before) for before, after in pairwise(samples))
