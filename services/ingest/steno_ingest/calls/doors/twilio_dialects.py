"""A table of what each platform of Twilio-shaped media streams calls things, a row a platform. Pure.

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
    """What a platform calls things."""

    name: str
    #: In every message: what it is.
    event: str = "event"
    #: In a `start` message: the object of what it tells.
    start: str = "start"
    #: What other messages tell stands in the message itself, not in an object by the name of the event.
    flat: bool = False
    #: Which stream, in a message or in its `start`.
    stream_id: str
    #: In a message: its number.
    sequence: str = "sequenceNumber"
    #: In `start`: ids of the call, the first that is there is taken.
    call_ids: tuple[str, ...]
    #: In `start` or beside it: what whoever set up the stream says of the call.
    parameters: str = "customParameters"
    media_format: str = "mediaFormat"
    sample_rate: str = "sampleRate"
    #: In `start`: what else is kept, as properties of the call.
    facts: Mapping[str, str]
    #: Fields of `start` that tell the platform from others with the same names, and what they look like.
    sign: Mapping[str, str] = field(default_factory=dict)
    #: The tracks that come where `start` announces none.
    tracks: tuple[str, ...] = (INBOUND, OUTBOUND)
    #: How the audio is coded where `start` does not say.
    codec: AudioCodec = AudioCodec.PCMU
    #: Messages come in the order of their numbers.
    ordered: bool = True

    def speaks(self, message: Mapping[str, Any]) -> bool:
        """Whether a `start` message is of this platform."""
        told = self.told(message)
        named = self.stream_id in message or self.stream_id in told
        signed = all(re.fullmatch(form, str(told.get(name) or "")) for name, form in self.sign.items())
        return self.event in message and named and signed

    def told(self, message: Mapping[str, Any]) -> Mapping[str, Any]:
        """What a `start` message tells; nothing where that is no JSON object."""
        found = message.get(self.start)
        return found if isinstance(found, dict) else {}


_TWILIO = Dialect(
    name="twilio",
    stream_id="streamSid",
    call_ids=("callSid",),
    facts={"callSid": "call_sid", "accountSid": "account_sid"},
)

# The first that speaks so counts: rows with a sign stand before those without.
DIALECTS = (
    # Accounts of Twilio are AC and 32 hexadecimal digits, those of SignalWire are UUIDs.
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
"""The names under which a message says what it is."""


def dialect_of(message: Mapping[str, Any]) -> Dialect | None:
    """The dialect of a `start` message; None where it names its stream in no known way."""
    return next((dialect for dialect in DIALECTS if dialect.speaks(message)), None)
