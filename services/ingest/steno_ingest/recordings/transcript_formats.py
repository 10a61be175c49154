"""Writes transcripts as text, WebVTT and SRT. Pure.

Sources: W3C WebVTT (Candidate Recommendation, 2019) §4 and its cue text rules; SubRip as VLC and ffmpeg write it.
"""

from html import escape

from steno.events.records import Role
from steno.events.result_document import Transcript, TranscriptPhrase


def to_text(transcript: Transcript) -> str:
    """Writes one line per phrase: `[00:01.2] agent: how can I help`."""
    return "".join(f"[{_short(phrase.start_ms)}] {speaker_of(phrase)}: {line_of(phrase)}\n" for phrase in _spoken(transcript))


def to_webvtt(transcript: Transcript) -> str:
    """Writes WebVTT with one cue per phrase, whose voice is the speaker's role."""
    cues = (
        f"\n{_clock(phrase.start_ms, '.')} --> {_clock(_end(phrase), '.')}\n"
        f"<v {speaker_of(phrase).capitalize()}>{escape(line_of(phrase), quote=False)}\n"
        for phrase in _spoken(transcript)
    )
    return "WEBVTT\n" + "".join(cues)


def to_srt(transcript: Transcript) -> str:
    """Writes SRT with one subtitle per phrase, which begins with the speaker's role."""
    return "".join(
        f"{number}\n{_clock(phrase.start_ms, ',')} --> {_clock(_end(phrase), ',')}\n"
        # An arrow in the text would be read as a time line.
        f"{speaker_of(phrase).capitalize()}: {line_of(phrase).replace('-->', '->')}\n\n"
        for number, phrase in enumerate(_spoken(transcript), 1)
    )


def speaker_of(phrase: TranscriptPhrase) -> str:
    """Returns the role of a phrase's speaker, or the channel if the role is unknown."""
    return phrase.role.value if phrase.role is not Role.UNKNOWN else f"channel {phrase.channel}"


def line_of(phrase: TranscriptPhrase) -> str:
    """Returns the text of a phrase on one line."""
    return " ".join(phrase.text.split())


def _spoken(transcript: Transcript) -> list[TranscriptPhrase]:
    return [phrase for phrase in transcript.phrases if line_of(phrase)]


def _end(phrase: TranscriptPhrase) -> int:
    # A cue must end after its start (WebVTT §4.1).
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
