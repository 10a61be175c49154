"""Reads and validates the client's messages of Genesys AudioHook v2. Pure.

Every message is a JSON object in a text frame: version, id (of the session), type, seq, parameters; the client adds serverseq
and position, the server clientseq. Unknown fields and messages of unknown types are accepted, since Genesys may extend the
protocol. Optional fields may also be null.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, JsonValue, StrictInt, ValidationError, model_validator

from steno.events.properties import fault_of
from steno.json_bounds import JsonTooLarge, check_json

SAMPLE_RATE = 8000
LONGEST_TEXT = 65_535
NIL_UUID = "00000000-0000-0000-0000-000000000000"

# Any number of decimals is accepted; those after the twelfth are less than a sample.
_DURATION = re.compile(r"PT(?:(\d{1,9})|(\d{0,9}\.\d{1,12})\d*)S")


class BadMessage(Exception):
    """A text frame is not valid; the message is for the peer."""


def samples_of(duration: object) -> int:
    """Converts a duration to samples of one channel, e.g. `PT1.5S` to 12000.

    Raises:
        ValueError: not `PT<decimal>S`, the one form of ISO 8601 that the protocol uses.
    """
    match = _DURATION.fullmatch(duration) if isinstance(duration, str) else None
    if match is None:
        raise ValueError('a duration must be of the form "PT1.5S"')
    return round(Fraction(match[1] or match[2]) * SAMPLE_RATE)


def duration_of(milliseconds: int) -> str:
    """Converts milliseconds to a duration, e.g. `PT1.5S`."""
    seconds, rest = divmod(milliseconds, 1000)
    return f"PT{seconds}" + (f".{rest:03}".rstrip("0") if rest else "") + "S"


Samples = Annotated[int, BeforeValidator(samples_of)]
Uuid = Annotated[str, Field(pattern=r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$")]
# The nil UUID stands for no conversation or participant.
UuidOrNull = Annotated[Uuid, BeforeValidator(lambda uuid: NIL_UUID if uuid is None else uuid)]
Language = Annotated[str, Field(pattern=r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$", max_length=32)]
# An empty text means no language.
Spoken = Annotated[Language | None, BeforeValidator(lambda language: language or None)]
Number = Annotated[StrictInt, Field(ge=0, le=2**53)]


class _ClientPart(BaseModel):
    """A part of a client's message, whose optional fields may be null."""

    @model_validator(mode="before")
    @classmethod
    def _without_nulls(cls, part: object) -> object:
        if not isinstance(part, dict):
            return part
        required = {name for name, field in cls.model_fields.items() if field.is_required()}
        return {name: value for name, value in part.items() if value is not None or name in required}


class Media(BaseModel):
    """One audio format that the client offers. Unknown names of formats and channels are no error."""

    model_config = ConfigDict(extra="allow")  # the chosen one is returned unchanged

    type: str
    format: str
    channels: list[str]
    rate: int


class Participant(_ClientPart):
    """The participant on the external channel."""

    id: UuidOrNull
    ani: str = ""
    aniName: str = ""
    dnis: str = ""


class Open(_ClientPart):
    """Opens a session."""

    organizationId: Uuid
    conversationId: UuidOrNull
    participant: Participant
    media: list[Media] = []
    language: Spoken = None
    supportedLanguages: bool = False
    customConfig: dict[str, JsonValue] = {}

    @property
    def is_probe(self) -> bool:
        """Whether Genesys only tests the connection, as it does when an integration is saved: there is no call."""
        return NIL_UUID in (self.conversationId, self.participant.id)


class Close(_ClientPart):
    """Closes the session: no audio follows."""

    reason: str


class Skipped(_ClientPart):
    """Reports audio that was not sent, in `discarded` and `resumed`."""

    start: Samples
    discarded: Samples


class Update(_ClientPart):
    """Changes the language, if it names one."""

    language: Spoken = None


class Error(_ClientPart):
    """Reports an error of the client."""

    code: int
    message: str = ""
    retryAfter: Samples | None = None

    @property
    def refuses_events(self) -> bool:
        """Whether the client does not accept events, like AudioHook Monitor, which does not use transcripts."""
        said = self.message.lower()
        return self.code in (400, 405) and "event" in said and "not allowed" in said


class Dtmf(_ClientPart):
    """Reports a key press."""

    digit: str

    @property
    def is_key(self) -> bool:
        """Whether it is one of the sixteen keys."""
        return re.fullmatch("[0-9*#A-D]", self.digit) is not None


class Nothing(_ClientPart):
    """Parameters that are ignored."""


Parameters = Open | Close | Skipped | Update | Error | Dtmf | Nothing

_PARAMETERS: Mapping[str, type[Parameters]] = {
    "open": Open,
    "close": Close,
    "discarded": Skipped,
    "resumed": Skipped,
    "update": Update,
    "error": Error,
    "dtmf": Dtmf,
}


class _Envelope(_ClientPart):
    version: Literal["2"]
    id: Uuid
    type: str
    seq: Number
    serverseq: Number
    position: Samples
    parameters: dict[str, JsonValue] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientMessage:
    """A message of the client."""

    type: str
    session_id: str
    #: The number of the client's message, from 1.
    sequence: int
    #: The number of our last message that the client had received.
    server_sequence: int
    #: Samples of one channel since the start of the session, including those that were not sent.
    position: int
    parameters: Parameters


def parse_message(text: str) -> ClientMessage:
    """Reads a text frame.

    Raises:
        BadMessage: it is not a message of a client, or its parameters are not valid for its type.
    """
    if len(text) > LONGEST_TEXT:
        raise BadMessage(f"the message is longer than {LONGEST_TEXT} characters")
    try:
        check_json(text)
    except JsonTooLarge as error:
        raise BadMessage(str(error)) from error
    try:
        envelope = _Envelope.model_validate_json(text)
        parameters = _PARAMETERS.get(envelope.type, Nothing).model_validate(envelope.parameters)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise BadMessage(f"{where}: {first['msg']}" if where else first["msg"]) from error
    return ClientMessage(
        type=envelope.type,
        session_id=envelope.id,
        sequence=envelope.seq,
        server_sequence=envelope.serverseq,
        position=envelope.position,
        parameters=parameters,
    )


def locale_of(language: str) -> str:
    """Converts a language to Steno's spelling: en-us becomes en-US."""
    language, *rest = language.split("-")
    return "-".join([language.lower(), *(part.upper() if len(part) == 2 else part for part in rest)])


def properties_of(opened: Open, session_id: str) -> dict[str, str]:
    """Converts the client's data of a call to properties, without empty values.

    Raises:
        BadMessage: they are too large.
    """
    found = {
        "audiohook.session_id": session_id,
        "audiohook.conversation_id": opened.conversationId.lower(),
        "audiohook.organization_id": opened.organizationId,
        "audiohook.participant_id": opened.participant.id,
        "ani": opened.participant.ani,
        "ani_name": opened.participant.aniName,
        "dnis": opened.participant.dnis,
    }
    found |= {f"custom.{name}": _as_text(value) for name, value in opened.customConfig.items()}
    properties = {name: value for name, value in found.items() if value}
    if (fault := fault_of(properties)) is not None:
        raise BadMessage(f"customConfig and participant: {fault}; send less of it")
    return properties


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
