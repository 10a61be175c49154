"""What is observed of a call's audio besides what was said: music, tones, channels that hear each other. Pure."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from steno.events.fields import Index, Milliseconds
from steno.events.values import Value


class ObservationKind(StrEnum):
    """What this version observes of a call's audio besides what was said; later ones may tell of more."""

    #: Tones: dialling, ringing, busy, keys, beeps, fax. They are not decoded.
    TONE = "tone"
    #: Music throughout, nobody speaks over it. It is not decoded.
    MUSIC = "music"
    #: What another channel has about as loud: it was transcribed there.
    SAME_ON_BOTH_CHANNELS = "same_on_both_channels"
    #: What one channel heard of another, more quietly: it was transcribed there.
    CROSSTALK_REMOVED = "crosstalk_removed"
    #: Speech at so low a level that it was raised to be heard, or could not be. Words may be missing.
    TOO_QUIET = "too_quiet"


class Observation(Value):
    """A span of one channel of which there is something to tell besides what was said: music, say."""

    kind: Annotated[str, Field(max_length=64, pattern=r"^[a-z][a-z0-9_]*$")]
    channel: Index
    start_ms: Milliseconds
    duration_ms: Milliseconds
