"""Reads the messages of Twilio-shaped media streams, in the dialect of each platform. Pure."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from steno.events.properties import fault_of
from steno.events.records import CallChannel, Role
from steno_ingest.calls.doors.actions import Offered
from steno_ingest.calls.doors.audio_format import AudioFormat
from steno_ingest.calls.doors.twilio_audio import format_of
from steno_ingest.calls.doors.twilio_dialects import EVENTS, INBOUND, OUTBOUND, Dialect, dialect_of
from steno_ingest.calls.doors.twilio_values import BadMessage, StreamError, number, part, shown

_ROLES = {INBOUND: Role.CUSTOMER, OUTBOUND: Role.AGENT}

UNUSABLE = "unusable_messages"
"""The property of a call that says how many messages of its stream could not be used."""

# The properties added at the end of a stream, for which there must be room.
_END_PROPERTIES = {f"{what}_ms_{track}": "0" * 20 for what in ("missing", "late") for track in (INBOUND, OUTBOUND)}
_END_PROPERTIES[UNUSABLE] = "0" * 20


def event_of(message: Mapping[str, Any]) -> str:
    """Returns the type of a message; empty if it has none."""
    return next((value for name in EVENTS if isinstance(value := message.get(name), str)), "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """The content of a `start` message."""

    dialect: Dialect
    stream_id: str
    #: In the order of the channels.
    tracks: tuple[str, ...]
    format: AudioFormat
    call: Offered

    @classmethod
    def of(cls, message: Mapping[str, Any]) -> "Start":
        """Reads a `start` message.

        Raises:
            StreamError: something is missing, or the audio format is not supported.
        """
        dialect = dialect_of(message)
        if dialect is None:
            raise StreamError("the start message names no stream: streamSid, stream_id, stream_sid or streamId is missing")
        start = part(message, dialect.start)
        parameters = _parameters(start.get(dialect.parameters) or message.get(dialect.parameters), dialect.parameters)
        announced = start.get("tracks")
        tracks = _tracks(announced, parameters.pop("tracks", ""), dialect)
        stream_id = str(message.get(dialect.stream_id) or start.get(dialect.stream_id) or "")
        facts = {name: str(start[field]) for field, name in dialect.facts.items() if start.get(field)}
        call_id, roles = _call_id(parameters.pop("call_id", ""), start, dialect), parameters.pop("roles", "")
        locale = parameters.pop("locale", "") or "en-US"
        properties = {"platform": dialect.name, "stream_id": stream_id, **facts, **parameters}
        if (fault := fault_of({**properties, **_END_PROPERTIES})) is not None:
            raise StreamError(f"the parameters of the stream are too large: {fault}; send fewer or shorter ones")
        audio_format = format_of(_media_format(start, announced, dialect), dialect)
        call = Offered(
            call_id=call_id,
            format=audio_format,
            channels=_channels(tracks, roles),
            locale=locale,
            properties=properties,
        )
        return cls(dialect=dialect, stream_id=stream_id, tracks=tracks, format=audio_format, call=call)

    def joined(self, other: "Start") -> "Start | None":
        """Joins this stream and another one of the same call; returns None if they share a track or differ in format."""
        if other.format != self.format or set(other.tracks) & set(self.tracks):
            return None
        channels_by_track = {
            **dict(zip(self.tracks, self.call.channels, strict=True)),
            **dict(zip(other.tracks, other.call.channels, strict=True)),
        }
        tracks = tuple(track for track in (INBOUND, OUTBOUND) if track in channels_by_track)
        channels = tuple(CallChannel(channel=number, role=channels_by_track[track].role) for number, track in enumerate(tracks))
        return replace(self, tracks=tracks, call=replace(self.call, channels=channels))

    def check(self, message: Mapping[str, Any]) -> None:
        """Raises `BadMessage` if a message belongs to another stream."""
        stream_id = message.get(self.dialect.stream_id)
        if stream_id is not None and str(stream_id) != self.stream_id:
            raise BadMessage(
                "stream",
                f"a message of stream {shown(stream_id)} came on the connection of {shown(self.stream_id)}; each stream "
                "has its own connection",
            )

    def content(self, message: Mapping[str, Any], event: str) -> Mapping[str, Any]:
        """Returns the content of a message of the stream. Raises `BadMessage`."""
        return message if self.dialect.flat else part(message, event)

    def channel(self, track: Any) -> int | None:
        """Returns the channel of a track, `inbound` or `inbound_track`; None if the stream has no such track."""
        name = track.removesuffix("_track") if isinstance(track, str) else ""
        return self.tracks.index(name) if name in self.tracks else None


def digits_or_none(message: Mapping[str, Any], name: str) -> int | None:
    """Reads a number from a message; returns None if it is not valid."""
    try:
        found = number(message, name)
    except BadMessage:
        return None
    return None if found is None else int(found)


def _parameters(told: Any, name: str) -> dict[str, str]:
    """Reads custom parameters: an object, or a list of `a=b` with commas or semicolons in between."""
    if isinstance(told, str):
        pairs = (pair.partition("=") for pair in re.split("[,;]", told) if "=" in pair)
        return {key.strip(): value.strip() for key, _, value in pairs}
    return {key: str(value) for key, value in part({name: told}, name, optional=True).items()}


def _media_format(start: Mapping[str, Any], announced: Any, dialect: Dialect) -> Mapping[str, Any]:
    """Returns the audio format: of the stream, or of its first track, which is that of all tracks."""
    if isinstance(announced, list) and announced and isinstance(announced[0], dict):
        return part(announced[0], dialect.media_format, optional=True)
    return part(start, dialect.media_format, optional=True)


def _tracks(announced: Any, wanted: str, dialect: Dialect) -> tuple[str, ...]:
    """Returns the tracks in the order of the channels."""
    told = wanted.replace("both_tracks", f"{INBOUND},{OUTBOUND}").split(",") if wanted else announced
    if told is None:
        return dialect.tracks
    listed = told if isinstance(told, list) else []
    named = [track.get("name") if isinstance(track, dict) else track for track in listed]
    names = {name.strip().removesuffix("_track") for name in named if isinstance(name, str)}
    if not names or not names <= {INBOUND, OUTBOUND}:
        raise StreamError(f"tracks are {shown(told)}, but should be {INBOUND}, {OUTBOUND} or both")
    return tuple(track for track in (INBOUND, OUTBOUND) if track in names)


def _channels(tracks: Sequence[str], roles: str) -> tuple[CallChannel, ...]:
    told = [role.strip() for role in roles.split(",")] if roles else [_ROLES[track] for track in tracks]
    if len(told) != len(tracks) or not set(told) <= set(Role):
        raise StreamError(
            f"the custom parameter roles is {shown(roles)}; it should have one of {', '.join(Role)} "
            f"for each of {', '.join(tracks)}, separated by commas"
        )
    return tuple(CallChannel(channel=channel, role=Role(role)) for channel, role in enumerate(told))


def _call_id(wanted: str, start: Mapping[str, Any], dialect: Dialect) -> str:
    call_id = wanted or next((str(start[name]) for name in dialect.call_ids if start.get(name)), "")
    if not 1 <= len(call_id) <= 256:
        raise StreamError(
            f"start has no call id of 1 to 256 characters; send {dialect.call_ids[0]}, or the custom parameter call_id"
        )
    return call_id
