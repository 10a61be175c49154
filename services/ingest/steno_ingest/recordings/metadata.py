"""The metadata that a client sends with a recording, with its validation. Pure.

Ids must not contain control characters, since they become Kafka keys and parts of paths and logs.
"""

from typing import Annotated, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from steno.audio_files import Headerless
from steno.events.properties import LONGEST_NAME, LONGEST_VALUE, MOST_BYTES, MOST_PROPERTIES, bounded
from steno.events.records import ChannelRole, Role
from steno.json_bounds import JsonTooLarge, check_json
from steno.validation import LANGUAGE_TAG, PRINTABLE, explained
from steno_ingest.errors import Fault, InvalidMetadata
from steno_ingest.urls import url_pattern

#: http(s) or an object store, without user name or password.
RECORDING_URL = url_pattern("https?", "s3", "az", "gs")
_MOST_CHANNELS = 64

M = TypeVar("M", bound=BaseModel)

CallId = Annotated[str, Field(min_length=1, max_length=256, pattern=PRINTABLE)]


class Channel(BaseModel):
    """Who speaks on a channel of the audio."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    channel: int = Field(ge=0, lt=_MOST_CHANNELS, description="Index into the audio, from 0.")
    role: Role = Field(description="Who speaks on it.")


def _each_once(channels: tuple[Channel, ...]) -> tuple[Channel, ...]:
    numbers = [entry.channel for entry in channels]
    if len(set(numbers)) < len(numbers):
        raise ValueError("a channel is given twice; give each channel one role")
    return channels


class Metadata(BaseModel):
    """The metadata of a recording."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    call_id: CallId | None = Field(default=None, description="The id of its call; generated if omitted.")
    channels: Annotated[tuple[Channel, ...], Field(max_length=_MOST_CHANNELS), AfterValidator(_each_once)] = Field(
        default=(), description="The role of each channel; unknown for omitted channels."
    )
    locale: Annotated[str, Field(max_length=35, pattern=LANGUAGE_TAG)] = Field(
        default="en-US", description="BCP 47 language tag of the speech."
    )
    properties: Annotated[
        dict[
            Annotated[str, Field(min_length=1, max_length=LONGEST_NAME, pattern=PRINTABLE)],
            Annotated[str, Field(max_length=LONGEST_VALUE)],
        ],
        Field(max_length=MOST_PROPERTIES),
        AfterValidator(bounded),
    ] = Field(
        default={},
        description=f"Your own properties, copied to results and webhooks; at most {MOST_BYTES} bytes of UTF-8 together.",
    )
    format: Headerless | None = Field(
        default=None, description="The format of audio without a header; if omitted, determined by content, then by file name."
    )

    def roles(self) -> tuple[ChannelRole, ...]:
        """Converts the channels to those of records."""
        return tuple(ChannelRole(channel=entry.channel, role=entry.role) for entry in self.channels)


class Link(Metadata):
    """The URL of a recording, with its metadata."""

    url: Annotated[str, Field(max_length=4096, pattern=RECORDING_URL)] = Field(
        description="The URL of the audio: http(s), or an object of the store (s3, az, gs), without user name or password."
    )


def parse_metadata(text: bytes) -> Metadata:
    """Reads metadata from a JSON document.

    Raises:
        InvalidMetadata: it is not JSON, or not valid; the error lists all faults.
    """
    return _parse(Metadata, text, "metadata")


def parse_link(text: bytes) -> Link:
    """Reads a URL and metadata from a JSON document; raises like `parse_metadata`."""
    return _parse(Link, text, "body")


def _parse(model: type[M], text: bytes, where: str) -> M:
    try:
        check_json(text)
    except JsonTooLarge as error:
        raise InvalidMetadata(f"{where}: {error}", faults=[Fault(where=where, problem=str(error))]) from error
    try:
        return model.model_validate_json(text)
    except ValidationError as error:
        faults = [
            Fault(where=".".join([where, *map(str, entry["loc"])]), problem=explained(entry["type"], entry["msg"]))
            for entry in error.errors(include_url=False, include_context=False, include_input=False)
        ]
        raise InvalidMetadata(
            "; ".join(f"{fault.where}: {fault.problem}" for fault in faults[:5]), faults=faults[:50]
        ) from error
