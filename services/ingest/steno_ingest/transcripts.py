"""The result document and the formats it can be read in: text, WebVTT and SRT. Pure.

Sources: W3C WebVTT (Candidate Recommendation, 2019) §4 and its cue text rules; SubRip as VLC and ffmpeg write it.
"""

from html import escape

from pydantic import BaseModel, ConfigDict, Field

from steno.events.records import Observation, Role

RESULTS = "transcripts"
"""Where result documents are in the object store: a record that names another object as one is not believed."""


class TranscriptWord(BaseModel):
    """A word with its time in the call's audio."""

    model_config = ConfigDict(frozen=True)

    text: str
    start_ms: int
    duration_ms: int
    confidence: float


class TranscriptPhrase(BaseModel):
    """The text of one utterance."""

    model_config = ConfigDict(frozen=True)

    phrase_id: str
    channel: int
    role: Role = Role.UNKNOWN
    start_ms: int
    duration_ms: int
    text: str
    confidence: float
    words: tuple[TranscriptWord, ...] = ()

    @property
    def speaker(self) -> str:
        """The role, or the channel where the role is not known."""
        return self.role.value if self.role is not Role.UNKNOWN else f"channel {self.channel}"

    @property
    def line(self) -> str:
        """The text on one line."""
        return " ".join(self.text.split())


class TranscriptObservation(BaseModel):
    """A span of one channel of which there is something to tell besides what was said."""

    model_config = ConfigDict(frozen=True)

    kind: str = Field(
        description="tone, music, same_on_both_channels, crosstalk_removed, too_quiet; later versions may tell of more."
    )
    channel: int
    start_ms: int
    duration_ms: int

    @classmethod
    def of(cls, observation: Observation) -> "TranscriptObservation":
        """As transcripts have it."""
        return cls.model_validate(observation, from_attributes=True)


class Transcript(BaseModel):
    """All phrases of a call by one pass, by time and then channel. Times are milliseconds from the start of the audio."""

    model_config = ConfigDict(frozen=True)

    call_id: str
    recording_id: str
    locale: str = "en-US"
    duration_ms: int = 0
    damaged_ms: int = 0
    missing_ms: int = 0
    observations: tuple[TranscriptObservation, ...] = ()
    channels: int = 0
    engine: str = ""
    phrases: tuple[TranscriptPhrase, ...] = ()


def to_text(transcript: Transcript) -> str:
    """A line a phrase: `[00:01.2] agent: how can I help`."""
    return "".join(f"[{_short(phrase.start_ms)}] {phrase.speaker}: {phrase.line}\n" for phrase in _spoken(transcript))


def to_webvtt(transcript: Transcript) -> str:
    """A cue a phrase, its voice the speaker's role."""
    cues = (
        f"\n{_clock(phrase.start_ms, '.')} --> {_clock(_end(phrase), '.')}\n"
        f"<v {phrase.speaker.capitalize()}>{escape(phrase.line, quote=False)}\n"
        for phrase in _spoken(transcript)
    )
    return "WEBVTT\n" + "".join(cues)


def to_srt(transcript: Transcript) -> str:
    """A numbered subtitle a phrase, the speaker's role in front."""
    return "".join(
        f"{number}\n{_clock(phrase.start_ms, ',')} --> {_clock(_end(phrase), ',')}\n"
        # An arrow in the text would read as another time line.
        f"{phrase.speaker.capitalize()}: {phrase.line.replace('-->', '->')}\n\n"
        for number, phrase in enumerate(_spoken(transcript), 1)
    )


def _spoken(transcript: Transcript) -> list[TranscriptPhrase]:
    return [phrase for phrase in transcript.phrases if phrase.line]


def _end(phrase: TranscriptPhrase) -> int:
    # A cue ends after it starts (WebVTT §4.1).
    return phrase.start_ms + max(1, phrase.duration_ms)


def _short(milliseconds: int) -> str:
    minutes, rest = divmod(milliseconds, 60_000)
    hours, minutes = divmod(minutes, 60)
    seconds = f"{minutes:02}:{rest // 1000:02}.{rest % 1000 // 100}"
    return f"{hours:02}:{seconds}" if hours else seconds


def _clock(milliseconds: int, decimal: str) -> str:
    seconds, fraction = divmod(milliseconds, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{seconds:02}{decimal}{fraction:03}"
