"""Reads and writes the messages of Steno's own protocol (`docs/protocols/stream.md`). Pure."""

import json
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from steno.events.fields import Identifier, Properties
from steno.events.records import AudioCodec, CallChannel, GapReason, Hypothesis, Phrase, Role
from steno.json_bounds import JsonTooLarge, check_json

_DAY_MS = 86_400_000

Length = Annotated[int, Field(ge=0, le=_DAY_MS)]
Text = Annotated[str, Field(max_length=1024)]
Locale = Annotated[str, Field(min_length=2, max_length=64)]


class _Part(BaseModel):
    # Strict: neither `true` nor a text of digits is a number.
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Channel(_Part):
    """The role of a channel; if its number is omitted, it is the position in the list."""

    channel: Annotated[int, Field(ge=0, le=7)] | None = None
    role: Role = Role.UNKNOWN
    participant: Text = ""


class ResumeFrom(_Part):
    """The point from which a peer resumes: the last `ack`, and the phrases that it has."""

    # Large enough for ten chunks a second for three years, and small enough that later values fit into their fields.
    sequence: Annotated[int, Field(ge=0, le=2**30)]
    position: Annotated[int, Field(ge=0, le=2**48)]
    #: How many phrases it has, which is the number of the first one that it does not have.
    phrases: Annotated[int, Field(ge=0, le=2**31 - 1)] = 0


class Start(_Part):
    """Starts or resumes a call."""

    type: Literal["start"]
    call_id: Identifier
    codec: Literal["PCMU", "PCMA", "S16LE"]
    sample_rate: Literal[8000, 16000]
    channels: Annotated[tuple[Channel, ...], Field(min_length=1, max_length=8)] = (Channel(),)
    locale: Locale = "en-US"
    properties: Properties = {}
    paused: bool = False
    resume: ResumeFrom | None = None

    @property
    def audio_codec(self) -> AudioCodec:
        """The codec of its audio."""
        return AudioCodec(self.codec)


class Pause(_Part):
    """Pauses the call: no audio is stored from now on."""

    type: Literal["pause"]


class Resume(_Part):
    """Resumes the call; `skipped_ms` of audio were not sent."""

    type: Literal["resume"]
    skipped_ms: Length = 0


class Gap(_Part):
    """Reports missing audio; with a length of 0, what is being said ends here."""

    type: Literal["gap"]
    length_ms: Length
    reason: GapReason = GapReason.LOST


class Key(_Part):
    """Reports a key press."""

    type: Literal["dtmf"]
    digit: Annotated[str, Field(pattern=r"^[0-9*#A-D]$")]
    channel: Annotated[int, Field(ge=0)] | None = None


class Update(_Part):
    """Adds properties, a locale or roles to the call."""

    type: Literal["update"]
    properties: Properties = {}
    locale: Locale | Literal[""] = ""
    channels: Annotated[tuple[Channel, ...], Field(max_length=8)] = ()


class End(_Part):
    """Ends the call."""

    type: Literal["end"]


class Ping(_Part):
    """Asks for a pong."""

    type: Literal["ping"]


Message = Start | Pause | Resume | Gap | Key | Update | End | Ping

_MESSAGES: TypeAdapter[Message] = TypeAdapter(Annotated[Message, Field(discriminator="type")])


class BadMessage(Exception):
    """A text frame is not a valid message; `code` is the kind of fault, for programs."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def message_of(text: str) -> Message:
    """Reads a message from a text frame. Raises `BadMessage`."""
    try:
        check_json(text)
    except JsonTooLarge as error:
        raise BadMessage("not_json", str(error)) from error
    try:
        return _MESSAGES.validate_json(text)
    except ValidationError as error:
        faults = error.errors(include_input=False, include_url=False)
        kind = faults[0]["type"]
        if kind == "json_invalid":
            raise BadMessage("not_json", f"the text frame is not JSON: {faults[0]['msg']}") from error
        if kind.startswith("union_tag"):
            raise BadMessage("unknown_message", f"the message has no type of this protocol: {faults[0]['msg']}") from error
        said = "; ".join(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in faults[:5])
        raise BadMessage("not_valid", said) from error


def channels_of(channels: tuple[Channel, ...]) -> tuple[CallChannel, ...]:
    """Converts the channels of a message to those of records."""
    return tuple(
        CallChannel(channel=index if entry.channel is None else entry.channel, role=entry.role, participant=entry.participant)
        for index, entry in enumerate(channels)
    )


def text_of(kind: str, **fields: Any) -> str:
    """Writes a message for the peer."""
    return json.dumps({"type": kind, **fields}, ensure_ascii=False)


def caption_of(caption: Hypothesis | Phrase) -> str:
    """Writes a caption for the peer."""
    kind = "phrase" if isinstance(caption, Phrase) else "hypothesis"
    return text_of(kind, **caption.model_dump(mode="json", exclude={"call_id", "recording_id"}))
