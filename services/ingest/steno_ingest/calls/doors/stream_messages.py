"""Reads and writes the messages of Steno's own door (`docs/protocols/stream.md`). Pure."""

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
    # Strict: true is no number, and neither is a text of digits.
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Channel(_Part):
    """Who speaks on a channel; the number is its place in the list where it is left out."""

    channel: Annotated[int, Field(ge=0, le=7)] | None = None
    role: Role = Role.UNKNOWN
    participant: Text = ""


class From(_Part):
    """Where a peer that lost its connection goes on: the last `ack`, and behind the phrases that it has."""

    # With room for what follows: ten chunks a second for three years, and as many samples as nobody has ever sent.
    sequence: Annotated[int, Field(ge=0, le=2**30)]
    position: Annotated[int, Field(ge=0, le=2**48)]
    #: How many phrases it has: the number of the first that it has not.
    phrases: Annotated[int, Field(ge=0, le=2**31 - 1)] = 0


class Start(_Part):
    """A call begins, or goes on."""

    type: Literal["start"]
    call_id: Identifier
    codec: Literal["PCMU", "PCMA", "S16LE"]
    sample_rate: Literal[8000, 16000]
    channels: Annotated[tuple[Channel, ...], Field(min_length=1, max_length=8)] = (Channel(),)
    locale: Locale = "en-US"
    properties: Properties = {}
    paused: bool = False
    resume: From | None = None

    @property
    def audio_codec(self) -> AudioCodec:
        """How its audio is coded."""
        return AudioCodec(self.codec)


class Pause(_Part):
    """Nothing is to be kept from here on."""

    type: Literal["pause"]


class Resume(_Part):
    """What follows is to be kept; so much went by that is not sent."""

    type: Literal["resume"]
    skipped_ms: Length = 0


class Gap(_Part):
    """So much is missing."""

    type: Literal["gap"]
    length_ms: Length
    reason: GapReason = GapReason.LOST


class Key(_Part):
    """A key was pressed."""

    type: Literal["dtmf"]
    digit: Annotated[str, Field(pattern=r"^[0-9*#A-D]$")]
    channel: Annotated[int, Field(ge=0)] | None = None


class Update(_Part):
    """More is known of the call."""

    type: Literal["update"]
    properties: Properties = {}
    locale: Locale | Literal[""] = ""
    channels: Annotated[tuple[Channel, ...], Field(max_length=8)] = ()


class End(_Part):
    """The call is over."""

    type: Literal["end"]


class Ping(_Part):
    """Is answered with a pong."""

    type: Literal["ping"]


Message = Start | Pause | Resume | Gap | Key | Update | End | Ping

_MESSAGES: TypeAdapter[Message] = TypeAdapter(Annotated[Message, Field(discriminator="type")])


class BadMessage(Exception):
    """A text frame is no message of this protocol; the message says what is wrong with it, `code` says so for programs."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def message_of(text: str) -> Message:
    """The message in a text frame. Raises `BadMessage`."""
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


def channels_of(told: tuple[Channel, ...]) -> tuple[CallChannel, ...]:
    """The channels that a message names."""
    return tuple(
        CallChannel(channel=place if entry.channel is None else entry.channel, role=entry.role, participant=entry.participant)
        for place, entry in enumerate(told)
    )


def text_of(kind: str, **fields: Any) -> str:
    """A message for the peer."""
    return json.dumps({"type": kind, **fields}, ensure_ascii=False)


def caption_of(caption: Hypothesis | Phrase) -> str:
    """What was understood, for the peer."""
    kind = "phrase" if isinstance(caption, Phrase) else "hypothesis"
    return text_of(kind, **caption.model_dump(mode="json", exclude={"call_id", "recording_id"}))
