"""The events that webhooks receive, by their types. Pure."""

from enum import StrEnum


class EventType(StrEnum):
    """The type of an event that a webhook may receive."""

    CALL_STARTED = "call.started"
    PHRASE_FINAL = "phrase.final"
    CALL_ENDED = "call.ended"
    TRANSCRIPT_COMPLETED = "transcript.completed"
    TRANSCRIPT_FAILED = "transcript.failed"
    CALL_SUMMARISED = "call.summarised"


ON_REQUEST_ONLY = frozenset({EventType.PHRASE_FINAL})
"""Sent to webhooks that name them; a webhook that names no type receives all but these."""
