"""The messages of Twilio-shaped media streams, and what each platform calls things. Pure.

Sources: twilio.com/docs/voice/media-streams/websocket-messages; developers.telnyx.com, "Stream call media over WebSocket" (in
no guaranteed order: by `media.chunk`); developer.signalwire.com/compatibility-api/cxml/voice/stream.
"""

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from steno.events.properties import fault_of
from steno.events.records import AudioCodec, CallChannel, Role
from steno.json_bounds import check_json
from steno_ingest.calls.doors.port import Offered

INBOUND, OUTBOUND = "inbound", "outbound"
_ROLES = {INBOUND: Role.CUSTOMER, OUTBOUND: Role.AGENT}

SAMPLE_RATE = 8000
_ENCODINGS = {
    "audio/x-mulaw": AudioCodec.PCMU,
    "audio/x-alaw": AudioCodec.PCMA,
    "pcmu": AudioCodec.PCMU,
    "pcma": AudioCodec.PCMA,
}


# What is told of each track at the end of a stream: there must be room for it.
_LOSSES = {f"{what}_ms_{track}": "0" * 20 for what in ("missing", "late") for track in (INBOUND, OUTBOUND)}


class StreamError(Exception):
    """The peer broke the protocol; the message says what it did and what it should have done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """What a platform calls things."""

    name: str
    #: In every message but `connected`: which stream.
    stream_id: str
    #: In every message but `connected`: its number.
    sequence: str
    #: In `start`: ids of the call, the first that is there is taken.
    call_ids: tuple[str, ...]
    #: In `start`: what whoever set up the stream says of the call.
    parameters: str
    media_format: str
    sample_rate: str
    #: In `start`: what else is kept, as properties of the call.
    facts: Mapping[str, str]
    #: Messages come in the order of their numbers.
    ordered: bool = True


_TWILIO = Dialect(
    name="twilio",
    stream_id="streamSid",
    sequence="sequenceNumber",
    call_ids=("callSid",),
    parameters="customParameters",
    media_format="mediaFormat",
    sample_rate="sampleRate",
    facts={"callSid": "call_sid", "accountSid": "account_sid"},
)
_SIGNALWIRE = replace(_TWILIO, name="signalwire")
_TELNYX = Dialect(
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
)
DIALECTS = {dialect.name: dialect for dialect in (_TWILIO, _SIGNALWIRE, _TELNYX)}


def dialect_of(message: Mapping[str, Any]) -> Dialect:
    """The dialect of a `start` message.

    Raises:
        StreamError: it names its stream in no known way.
    """
    if _TELNYX.stream_id in message:
        return _TELNYX
    if _TWILIO.stream_id not in message:
        raise StreamError(f"the start message names no stream: {_TWILIO.stream_id} or {_TELNYX.stream_id} is missing")
    # Accounts of Twilio are AC and 32 hexadecimal digits, those of SignalWire are UUIDs.
    account = str(part(message, "start").get("accountSid", ""))
    return _SIGNALWIRE if account.count("-") == 4 else _TWILIO


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """What a `start` message tells."""

    dialect: Dialect
    stream_id: str
    sequence: int | None
    #: In the order of the channels.
    tracks: tuple[str, ...]
    call: Offered

    @classmethod
    def of(cls, message: Mapping[str, Any]) -> "Start":
        """Reads a `start` message.

        Raises:
            StreamError: something is missing, or the audio is of a kind that is not taken.
        """
        dialect = dialect_of(message)
        start = part(message, "start")
        parameters = {name: str(value) for name, value in part(start, dialect.parameters, optional=True).items()}
        tracks = _tracks(start.get("tracks"), parameters.pop("tracks", ""))
        stream_id = str(message[dialect.stream_id])
        facts = {name: str(start[field]) for field, name in dialect.facts.items() if start.get(field)}
        call_id, roles = _call_id(parameters.pop("call_id", ""), start, dialect), parameters.pop("roles", "")
        locale = parameters.pop("locale", "") or "en-US"
        properties = {"platform": dialect.name, "stream_id": stream_id, **facts, **parameters}
        if (fault := fault_of({**properties, **_LOSSES})) is not None:
            raise StreamError(f"the parameters of the stream are too many: {fault}; send fewer or shorter ones")
        call = Offered(
            call_id=call_id,
            codec=_codec(part(start, dialect.media_format), dialect),
            sample_rate=SAMPLE_RATE,
            channels=_channels(tracks, roles),
            locale=locale,
            properties=properties,
        )
        return cls(dialect=dialect, stream_id=stream_id, sequence=number(message, dialect.sequence), tracks=tracks, call=call)

    def check(self, message: Mapping[str, Any], *, after: int | None) -> int | None:
        """The number of a message that follows; raises `StreamError` where it is of another stream, or out of order."""
        stream_id = message.get(self.dialect.stream_id)
        if stream_id != self.stream_id:
            raise StreamError(
                f"a message of stream {shown(stream_id)} came on the connection of {shown(self.stream_id)}; each has its own"
            )
        sequence = number(message, self.dialect.sequence)
        if self.dialect.ordered and sequence is not None and after is not None and sequence <= after:
            raise StreamError(f"{self.dialect.sequence} {sequence} came after {after}; it counts messages up from 1")
        return after if sequence is None else sequence

    def channel(self, track: Any) -> int | None:
        """The channel of a track, told as `inbound` or `inbound_track`; None where the stream has no such track."""
        name = track.removesuffix("_track") if isinstance(track, str) else ""
        return self.tracks.index(name) if name in self.tracks else None


def message_of(text: str) -> Mapping[str, Any]:
    """A text frame as the JSON object it should be."""
    try:
        check_json(text)
        message = json.loads(text)
    except ValueError:
        raise StreamError("a text frame is not JSON") from None
    if not isinstance(message, dict):
        raise StreamError("a message is not a JSON object")
    return message


def part(message: Mapping[str, Any], name: str, *, optional: bool = False) -> Mapping[str, Any]:
    """A JSON object within a message."""
    found = message.get(name)
    if found is None and optional:
        return {}
    if not isinstance(found, dict):
        raise StreamError(f"{name} is missing, or no JSON object")
    return found


def number(message: Mapping[str, Any], name: str) -> int | None:
    """A number within a message; they are told as strings of digits, or as numbers."""
    value = message.get(name)
    if value is None:
        return None
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 18:
        return int(value)
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 10**18:
        return value
    raise StreamError(f"{name} is {shown(value)}, and should be a number")


def audio_of(payload: Any) -> bytes:
    """The audio of a `media` message."""
    try:
        return base64.b64decode(payload, validate=True)
    except (binascii.Error, TypeError, ValueError):
        raise StreamError("media.payload is not base64") from None


def _codec(media_format: Mapping[str, Any], dialect: Dialect) -> AudioCodec:
    encoding, channels = media_format.get("encoding"), number(media_format, "channels")
    sample_rate = number(media_format, dialect.sample_rate)
    codec = _ENCODINGS.get(encoding.lower()) if isinstance(encoding, str) else None
    if codec is None or sample_rate != SAMPLE_RATE or channels not in (None, 1):
        raise StreamError(
            f"the stream carries {shown(encoding)} at {sample_rate} Hz in {channels} channels; "
            f"set it to G.711 (audio/x-mulaw) at {SAMPLE_RATE} Hz in 1 channel"
        )
    return codec


def _tracks(announced: Any, wanted: str) -> tuple[str, ...]:
    """The tracks in the order of the channels. A platform that announces none may send both: Telnyx."""
    told = wanted.replace("both_tracks", f"{INBOUND},{OUTBOUND}").split(",") if wanted else announced
    if told is None:
        return (INBOUND, OUTBOUND)
    names = {name.strip().removesuffix("_track") for name in told if isinstance(name, str)} if isinstance(told, list) else set()
    if not names or not names <= {INBOUND, OUTBOUND}:
        raise StreamError(f"tracks are {shown(told)}, and should be {INBOUND}, {OUTBOUND} or both")
    return tuple(track for track in (INBOUND, OUTBOUND) if track in names)


def _channels(tracks: Sequence[str], roles: str) -> tuple[CallChannel, ...]:
    told = [role.strip() for role in roles.split(",")] if roles else [_ROLES[track] for track in tracks]
    if len(told) != len(tracks) or not set(told) <= set(Role):
        raise StreamError(
            f"the custom parameter roles is {shown(roles)}; it should have one of {', '.join(Role)} "
            f"for each of {', '.join(tracks)}, by commas"
        )
    return tuple(CallChannel(channel=channel, role=Role(role)) for channel, role in enumerate(told))


def _call_id(wanted: str, start: Mapping[str, Any], dialect: Dialect) -> str:
    call_id = wanted or next((str(start[name]) for name in dialect.call_ids if start.get(name)), "")
    if not 1 <= len(call_id) <= 256:
        raise StreamError(
            f"start has no call id of 1 to 256 characters; send {dialect.call_ids[0]}, or the custom parameter call_id"
        )
    return call_id


def shown(value: Any) -> str:
    """A value of the peer's for a message to a person, never long."""
    return repr(value)[:60]
