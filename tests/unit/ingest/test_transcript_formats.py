"""Transcripts as text, WebVTT and SRT, read back by the grammar of each."""

import re

from hypothesis import given
from hypothesis import strategies as st
from steno_ingest.recordings.transcript_formats import line_of, speaker_of, to_srt, to_text, to_webvtt

from steno.events.records import Role
from steno.events.result_document import Transcript, TranscriptPhrase

DAY_MS = 86_400_000
TIME = r"(\d{2,}):([0-5]\d):([0-5]\d)%s(\d{3})"


@st.composite
def transcripts(draw: st.DrawFn) -> Transcript:
    times = sorted(draw(st.lists(st.integers(0, DAY_MS * 5), max_size=8)))
    phrases = tuple(
        TranscriptPhrase(
            phrase_id=f"phrase-{index}",
            channel=draw(st.integers(0, 3)),
            role=draw(st.sampled_from(Role)),
            start_ms=start,
            duration_ms=draw(st.integers(0, 60_000)),
            text=draw(st.text(max_size=40)),
            confidence=0.5,
        )
        for index, start in enumerate(times)
    )
    return Transcript(call_id="call-1", recording_id="recording-1", phrases=phrases)


def spoken(transcript: Transcript) -> list[TranscriptPhrase]:
    return [phrase for phrase in transcript.phrases if phrase.text.split()]


def milliseconds(text: str, decimal: str) -> int:
    match = re.fullmatch(TIME % re.escape(decimal), text)
    assert match is not None, text
    hours, minutes, seconds, fraction = map(int, match.groups())
    return ((hours * 60 + minutes) * 60 + seconds) * 1000 + fraction


def lines_of(text: str) -> list[str]:
    """Lines as both formats end them: U+2028 and its like end none."""
    return text.split("\n")


@given(transcripts())
def test_webvtt_reads_back(transcript: Transcript) -> None:
    """Header, blank line, cues with a time line and one line of voice and text: what was said comes back out of it."""
    head, *cues = to_webvtt(transcript).split("\n\n")
    assert head.rstrip("\n") == "WEBVTT"
    phrases = spoken(transcript)
    assert len(cues) == len(phrases)
    for cue, phrase in zip(cues, phrases, strict=True):
        times, payload = lines_of(cue.rstrip("\n"))
        begin, end = (milliseconds(text, ".") for text in times.split(" --> "))
        assert (begin, end) == (phrase.start_ms, phrase.start_ms + max(1, phrase.duration_ms))
        match = re.fullmatch(r"<v ([^&>\n]+)>([^<>]*)", payload)
        assert match is not None, payload
        assert match[1].lower() == speaker_of(phrase)
        assert match[2].replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&") == line_of(phrase)


@given(transcripts())
def test_srt_reads_back(transcript: Transcript) -> None:
    """Blocks of number, times and one line, numbered from 1; an arrow in the text is none any more."""
    blocks = to_srt(transcript).split("\n\n")
    assert blocks.pop() == ""
    phrases = spoken(transcript)
    assert len(blocks) == len(phrases)
    for number, (block, phrase) in enumerate(zip(blocks, phrases, strict=True), 1):
        index, times, payload = lines_of(block)
        assert index == str(number)
        begin, end = (milliseconds(text, ",") for text in times.split(" --> "))
        assert begin == phrase.start_ms < end
        assert "-->" not in payload
        assert payload == f"{speaker_of(phrase).capitalize()}: {line_of(phrase).replace('-->', '->')}"


@given(transcripts())
def test_text_has_a_line_a_phrase(transcript: Transcript) -> None:
    """The time to a tenth of a second, who, and what."""
    lines = lines_of(to_text(transcript))
    assert lines.pop() == ""
    assert len(lines) == len(spoken(transcript))
    for line, phrase in zip(lines, spoken(transcript), strict=True):
        assert re.fullmatch(rf"\[(\d\d+:)?[0-5]\d:[0-5]\d\.\d\] {speaker_of(phrase)}: .*", line, re.DOTALL), line
        assert line.endswith(line_of(phrase))


def test_times_are_written_as_people_read_them() -> None:
    """Minutes and seconds; hours where there are some."""
    phrase = TranscriptPhrase(
        phrase_id="p", channel=1, role=Role.UNKNOWN, start_ms=3_723_456, duration_ms=0, text=" a\nb ", confidence=1
    )
    short = phrase.model_copy(update={"start_ms": 1_299, "role": Role.AGENT})
    transcript = Transcript(call_id="c", recording_id="r", phrases=(short, phrase))
    assert to_text(transcript) == "[00:01.2] agent: a b\n[01:02:03.4] channel 1: a b\n"
    assert "01:02:03.456 --> 01:02:03.457\n<v Channel 1>a b\n" in to_webvtt(transcript)
