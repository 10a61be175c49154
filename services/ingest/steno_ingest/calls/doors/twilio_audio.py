"""Reads the audio of Twilio-shaped media streams: its format, and its bytes in a message. Pure.

Platforms disagree about the byte order of 16-bit linear audio: `L16` is most significant byte first (RFC 3551 §4.5.11), but
most platforms send `L16` with the least significant byte first. So the order is detected: in the wrong order, speech is noise.
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
"""The sample rate of G.711, and the default."""

_RATES = {AudioCodec.PCMU: (8000,), AudioCodec.PCMA: (8000,), AudioCodec.S16LE: (8000, 16000)}

_NAMES = {
    AudioCodec.PCMU: ("mulaw", "mu-law", "ulaw", "u-law", "pcmu", "g711_ulaw", "g711u"),
    AudioCodec.PCMA: ("alaw", "a-law", "pcma", "g711_alaw", "g711a"),
    AudioCodec.S16LE: ("l16", "slin", "lin16", "linear16", "pcm", "pcm16", "pcm_s16le", "s16le", "raw"),
}
_CODECS = {name: codec for codec, names in _NAMES.items() for name in names}

_SMOOTHER = 4
"""The byte order is detected if consecutive samples differ this many times less than in the other order."""

_LEAST_DIFFERENT = 16
"""With fewer different samples, as in silence and square waves, the byte order cannot be detected."""


def format_of(media_format: Mapping[str, Any], dialect: Dialect) -> AudioFormat:
    """Reads the audio format in `start`, such as `audio/x-mulaw` at 8000; omitted values are the platform's defaults.

    Raises:
        StreamError: the format is not supported.
    """
    encoding = media_format.get("encoding")
    name, _, parameters = encoding.partition(";") if isinstance(encoding, str) else ("", "", "")
    name = name.strip().lower().removeprefix("audio/").removeprefix("raw/").removeprefix("x-")
    # `base64` is not a codec.
    codec = dialect.codec if encoding in (None, "", "base64") else _CODECS.get(name)
    rate = number(media_format, dialect.sample_rate)
    if rate is None:
        rate = number(dict([parameters.strip().partition("=")[::2]]), "rate")
    rate = SAMPLE_RATE if rate is None else rate
    channels = number(media_format, "channels")
    if codec is None or rate not in _RATES[codec] or channels not in (None, 1):
        raise StreamError(
            f"the stream carries {shown(encoding)} at {rate:g} Hz in {channels or 1:g} channels; set it to G.711 "
            f"(audio/x-mulaw) at 8000 Hz, or to linear 16 bit at 8000 or 16000 Hz, in 1 channel"
        )
    return AudioFormat(codec, int(rate))


class Payloads:
    """Decodes the audio of one stream's messages; linear audio is returned with the least significant byte first."""

    def __init__(self, codec: AudioCodec) -> None:
        self._codec = codec
        #: Whether bytes must be swapped; None until that is detected.
        self._swap: bool | None = None if codec is AudioCodec.S16LE else False

    def audio(self, payload: Any) -> bytes:
        """Decodes the base64 audio of a `media` message, with or without padding.

        Raises:
            BadMessage: it is not base64, or not a whole number of samples.
        """
        try:
            audio = base64.b64decode(payload + "=" * (-len(payload) % 4), validate=True)
        except (binascii.Error, TypeError, ValueError):
            raise BadMessage("payload", "media.payload is not base64") from None
        if len(audio) % self._codec.sample_bytes:
            raise BadMessage(
                "payload", f"media.payload has {len(audio)} bytes, which are not a whole number of samples of 16 bits"
            )
        if self._swap is None:
            self._swap = _to_be_swapped(audio)
        return _samples(audio, swap=True).tobytes() if self._swap else audio


def _to_be_swapped(audio: bytes) -> bool | None:
    """Whether linear audio has its most significant byte first; None if that cannot be detected."""
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
