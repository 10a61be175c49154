"""Chooses the audio format of an AudioHook session, and tracks the position in the call. Pure.

The client's `position` is the clock of the session: the number of samples since its start, sent or not. It also increases by
skipped audio.
"""

from collections.abc import Sequence

from steno.events.records import AudioCodec, CallChannel, GapReason, Role
from steno_ingest.calls.doors.actions import Audio, Gap, Paused, Resumed
from steno_ingest.calls.doors.audio_format import AudioFormat
from steno_ingest.calls.doors.audiohook_messages import SAMPLE_RATE, BadMessage, Media

_ROLES = {"external": Role.CUSTOMER, "internal": Role.AGENT}
# L16 as the reference implementation reads it: least significant byte first.
_CODECS = {"PCMU": AudioCodec.PCMU, "L16": AudioCodec.S16LE}

# A position may be ahead of the received audio by this much, since audio may be in transit; beyond that, audio was lost.
_TOLERANCE = SAMPLE_RATE // 2
# A position further ahead than the length of any call is an error.
_FARTHEST = 12 * 3600 * SAMPLE_RATE


def choose(offers: Sequence[Media]) -> Media | None:
    """Chooses an offer: two channels before one, PCMU before L16, then the client's order.

    Returns None for a session without audio, which offers nothing.

    Raises:
        BadMessage: none of the offers is supported.
    """
    possible = [
        offer
        for offer in offers
        if (offer.type, offer.rate) == ("audio", SAMPLE_RATE)
        and offer.format in _CODECS
        and offer.channels
        and set(offer.channels) <= _ROLES.keys()
        and len(set(offer.channels)) == len(offer.channels)
    ]
    if not possible:
        if not offers:
            return None
        raise BadMessage(f"none of the offered media is supported: PCMU or L16, {SAMPLE_RATE} Hz, external and internal")
    return min(possible, key=lambda offer: (-len(offer.channels), offer.format != "PCMU"))


class MediaStream:
    """The audio of a session, and its position."""

    def __init__(self, media: Media) -> None:
        self.format = AudioFormat(_CODECS[media.format], SAMPLE_RATE)
        self._names = media.channels
        self._frame_bytes = self.format.frame_bytes(len(media.channels))
        self._paused = False
        # Samples of one channel since the start of the session.
        self._position = 0

    def channels(self, external_participant: str) -> tuple[CallChannel, ...]:
        """Returns the channels with their roles."""
        return tuple(
            CallChannel(channel=number, role=_ROLES[name], participant=external_participant if name == "external" else "")
            for number, name in enumerate(self._names)
        )

    def add_audio(self, data: bytes) -> list[Audio]:
        """Adds the audio of a binary message.

        Raises:
            BadMessage: the session is paused, or it is not a whole number of samples.
        """
        if self._paused:
            raise BadMessage("audio came while the session was paused")
        if len(data) % self._frame_bytes:
            raise BadMessage(f"{len(data)} bytes of audio are not a whole number of samples of {self._frame_bytes} bytes")
        self._position += len(data) // self._frame_bytes
        return [Audio(data=data)] if data else []

    def note_position(self, position: int) -> list[Gap]:
        """Handles the position in a message. Raises `BadMessage` if it is not possible."""
        if self._paused or self._ahead(position) <= _TOLERANCE:
            return []
        return self._skip(position, GapReason.LOST)

    def discard(self, position: int) -> list[Gap]:
        """Handles that the client has skipped audio up to a position. Raises `BadMessage` if it is not possible."""
        return [] if self._paused or not self._ahead(position) else self._skip(position, GapReason.DISCARDED)

    def pause(self, position: int) -> list[Gap | Paused]:
        """Handles a pause of the client, which may be repeated. Raises `BadMessage` if the position is not possible."""
        if self._paused:
            return []
        gaps = self.note_position(position)
        self._paused = True
        return [*gaps, Paused()]

    def resume(self, position: int) -> list[Resumed]:
        """Handles that the client resumes at a position. Raises `BadMessage` if it is not possible."""
        if not self._paused:
            return []
        skipped = self._ahead(position)
        self._paused = False
        self._position += skipped
        return [Resumed(skipped=skipped)]

    def _skip(self, position: int, reason: GapReason) -> list[Gap]:
        length = self._ahead(position)
        self._position += length
        return [Gap(length=length, reason=reason)]

    def _ahead(self, position: int) -> int:
        ahead = position - self._position
        if ahead > _FARTHEST:
            raise BadMessage(f"the position jumps by {ahead // SAMPLE_RATE} s")
        return max(0, ahead)
