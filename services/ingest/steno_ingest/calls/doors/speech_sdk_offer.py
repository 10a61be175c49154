"""Makes the offer of a call from the first turn of a Speech SDK client. Pure."""

from steno.events.records import CallChannel, Role
from steno_ingest.calls.doors.actions import Offered, ResumePoint, ResumePosition
from steno_ingest.calls.doors.speech_sdk_turn import TICKS_PER_SECOND, Token, Turn

_FRAME_MS = 100
"""The length of the SDK's messages."""


def offer_of(turn: Turn, before: Token | None, *, connection_id: str) -> Offered:
    """Makes the offer of a call.

    Args:
        turn: The turn, whose header was read.
        before: What the client has of a call that it continues.
        connection_id: Identifies the client; the id of its call, unless it gives one.
    """
    assert turn.audio.format is not None
    options, roles = turn.options, dict(enumerate(turn.options.roles))
    continued = before is not None and bool(before.call_id)
    return Offered(
        call_id=before.call_id if before is not None and continued else options.call_id or connection_id,
        format=turn.audio.format,
        channels=tuple(CallChannel(channel=index, role=roles.get(index, Role.UNKNOWN)) for index in range(turn.audio.channels)),
        locale=options.locale,
        recognition=options.recognition,
        properties={"connection_id": connection_id, **options.properties},
        resume=_resume_of(before, turn.audio.format.sample_rate) if before is not None and continued else None,
        reopens=False,
        phrases=before.phrases if before is not None and continued else 0,
        frame_ms=_FRAME_MS,
    )


def _resume_of(before: Token, sample_rate: int) -> ResumePoint | ResumePosition:
    """From its beginning a call has the same chunks again; from anywhere else their numbers are not known."""
    position = before.ticks * sample_rate // TICKS_PER_SECOND
    return ResumePosition(position=position) if position else ResumePoint(sequence=0, position=0)
