"""The table of platforms with Twilio-shaped media streams, with the names in their messages. Pure.

Sources, each the platform's own page of its WebSocket messages:
twilio.com/docs/voice/media-streams/websocket-messages ·
developers.telnyx.com, "Stream call media over WebSocket" (in no guaranteed order: by `media.chunk`) ·
signalwire.com/docs/compatibility-api/cxml/reference/voice/stream ·
plivo.com/docs/voice-agents/audio-streaming, "Audio Streaming Protocol Reference" ·
developer.exotel.com/docs/agentstream/websocket-protocol ·
docs.smartflo.tatatelebusiness.com, "Bi-Directional Audio Streaming Integration Document" ·
dev.bandwidth.com/docs/voice/programmable-voice/bxml/startStream
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from steno.events.records import AudioCodec

INBOUND, OUTBOUND = "inbound", "outbound"


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """The names in a platform's messages."""

    name: str
    #: The field with the type of a message.
    event: str = "event"
    #: The field with the content of a `start` message.
    start: str = "start"
    #: Whether the content of other messages is in the message itself, not in an object named like the event.
    flat: bool = False
    #: The field with the id of the stream, in a message or in its `start`.
    stream_id: str
    #: The field with the number of a message.
    sequence: str = "sequenceNumber"
    #: The fields of `start` with an id of the call; the first present one is used.
    call_ids: tuple[str, ...]
    #: The field with custom parameters, in `start` or beside it.
    parameters: str = "customParameters"
    media_format: str = "mediaFormat"
    sample_rate: str = "sampleRate"
    #: Other fields of `start` that become properties of the call.
    facts: Mapping[str, str]
    #: Fields of `start`, with patterns, that distinguish the platform from others with the same names.
    sign: Mapping[str, str] = field(default_factory=dict)
    #: The tracks if `start` announces none.
    tracks: tuple[str, ...] = (INBOUND, OUTBOUND)
    #: The codec if `start` names none.
    codec: AudioCodec = AudioCodec.PCMU
    #: Whether messages come in the order of their numbers.
    ordered: bool = True

    def matches(self, message: Mapping[str, Any]) -> bool:
        """Whether a `start` message is of this platform."""
        content = self.start_content(message)
        named = self.stream_id in message or self.stream_id in content
        signed = all(re.fullmatch(form, str(content.get(name) or "")) for name, form in self.sign.items())
        return self.event in message and named and signed

    def start_content(self, message: Mapping[str, Any]) -> Mapping[str, Any]:
        """Returns the content of a `start` message; empty if it is not a JSON object."""
        found = message.get(self.start)
        return found if isinstance(found, dict) else {}


_TWILIO = Dialect(
    name="twilio",
    stream_id="streamSid",
    call_ids=("callSid",),
    facts={"callSid": "call_sid", "accountSid": "account_sid"},
)

# The first match is used, so rows with `sign` come before those without.
DIALECTS = (
    # Account ids of Twilio are AC and 32 hexadecimal digits, those of SignalWire are UUIDs.
    replace(_TWILIO, name="signalwire", sign={"accountSid": r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"}),
    replace(
        _TWILIO,
        name="smartflo",
        facts={**_TWILIO.facts, "from": "from", "to": "to", "direction": "direction"},
        sign={"direction": r"(?i)inbound|outbound"},
        tracks=(INBOUND,),
    ),
    _TWILIO,
    Dialect(
        name="telnyx",
        stream_id="stream_id",
        sequence="sequence_number",
        call_ids=("call_control_id", "call_session_id", "call_session"),
        parameters="custom_parameters",
        media_format="media_format",
        sample_rate="sample_rate",
        facts={
            "call_control_id": "call_control_id",
            "call_session_id": "call_session_id",
            "from": "from",
            "to": "to",
            "client_state": "client_state",
        },
        ordered=False,
    ),
    Dialect(
        name="exotel",
        stream_id="stream_sid",
        sequence="sequence_number",
        call_ids=("call_sid",),
        parameters="custom_parameters",
        media_format="media_format",
        sample_rate="sample_rate",
        facts={"call_sid": "call_sid", "account_sid": "account_sid", "from": "from", "to": "to"},
        tracks=(INBOUND,),
        codec=AudioCodec.S16LE,
    ),
    Dialect(
        name="bandwidth",
        event="eventType",
        start="metadata",
        flat=True,
        stream_id="streamId",
        call_ids=("callId",),
        parameters="streamParams",
        facts={"accountId": "account_id", "streamName": "stream_name"},
        tracks=(INBOUND,),
    ),
    Dialect(
        name="plivo",
        stream_id="streamId",
        call_ids=("callId",),
        parameters="extra_headers",
        facts={"accountId": "account_id"},
        tracks=(INBOUND,),
        codec=AudioCodec.S16LE,
    ),
)

EVENTS = tuple(dict.fromkeys(dialect.event for dialect in DIALECTS))
"""The names of the field with the type of a message."""


def dialect_of(message: Mapping[str, Any]) -> Dialect | None:
    """Returns the dialect of a `start` message; None if it is of no known platform."""
    return next((dialect for dialect in DIALECTS if dialect.matches(message)), None)
