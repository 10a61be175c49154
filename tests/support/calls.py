"""Records of a live call for tests."""

from datetime import UTC, datetime, timedelta
from typing import Any

from steno.events import ids
from steno.events.records import (
    AudioCodec,
    CallChannel,
    CallEnded,
    CallStarted,
    Phrase,
    Role,
    TranscriptCompleted,
    TranscriptFailed,
    TranscriptStarted,
    Word,
)

NO_CALLS = {"accepted": 0, "active": 0, "ending": 0, "completed": 0, "no_speech": 0, "failed": 0}
"""The ledger's counts if there were no calls."""

AT = datetime(2030, 5, 4, 3, 2, 1, 123456, tzinfo=UTC)
CALL = "call-1"
CHANNELS = (CallChannel(channel=0, role=Role.AGENT, participant="Ann"), CallChannel(channel=1, role=Role.CUSTOMER))


def call_started(call_id: str = CALL, **about: Any) -> CallStarted:
    """Makes the start of a two-channel call of G.711."""
    return CallStarted(
        **{
            "call_id": call_id,
            "codec": AudioCodec.PCMU,
            "sample_rate": 8000,
            "channels": CHANNELS,
            "protocol": "stream",
            "properties": {"queue": "sales"},
            "started_at": AT,
            **about,
        }
    )


def call_ended(call_id: str = CALL, **about: Any) -> CallEnded:
    """Makes the end of a call after a minute, by hangup."""
    return CallEnded(
        **{
            "call_id": call_id,
            "position": 480_000,
            "complete": True,
            "reason": "hangup",
            "ended_at": AT + timedelta(minutes=1),
            **about,
        }
    )


def live_started(call_id: str = CALL) -> TranscriptStarted:
    """Makes the start of its live pass."""
    return TranscriptStarted(call_id=call_id, recording_id=ids.live_pass_id(call_id), started_at=AT)


def live_completed(call_id: str = CALL, **about: Any) -> TranscriptCompleted:
    """Makes the completion of its live pass, or of another pass."""
    return TranscriptCompleted(
        **{
            "call_id": call_id,
            "recording_id": ids.live_pass_id(call_id),
            "result_url": "",
            "phrase_count": 2,
            "channel_count": 2,
            "duration_ms": 60_000,
            "engine": "scripted",
            "completed_at": AT + timedelta(minutes=1, seconds=1),
            **about,
        }
    )


def live_failed(call_id: str = CALL, **about: Any) -> TranscriptFailed:
    """Makes the failure of its live pass."""
    return TranscriptFailed(
        **{
            "call_id": call_id,
            "recording_id": ids.live_pass_id(call_id),
            "reason": "the codec is not known",
            "error": "unknown_codec",
            "failed_at": AT + timedelta(seconds=2),
            **about,
        }
    )


def live_phrase(number: int, call_id: str = CALL, **about: Any) -> Phrase:
    """Makes a phrase with a number; the channels alternate."""
    channel, start_ms = number % 2, number * 2000
    live = ids.live_pass_id(call_id)
    return Phrase(
        **{
            "call_id": call_id,
            "recording_id": live,
            "phrase_id": ids.phrase_id(call_id, live, channel, start_ms),
            "sequence": number,
            "channel": channel,
            "role": CHANNELS[channel].role,
            "start_ms": start_ms,
            "duration_ms": 1500,
            "text": f"phrase number {number}",
            "confidence": 0.5,
            "words": (Word(text="phrase", start_ms=start_ms, duration_ms=300, confidence=0.5),),
            **about,
        }
    )
