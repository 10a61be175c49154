"""Messages, options and audio of Speech SDK clients, as values."""

import json
from array import array
from contextlib import suppress
from dataclasses import replace
from itertools import pairwise
from typing import Any

import G722
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from steno_ingest.calls.doors import speech_sdk_messages as messages
from steno_ingest.calls.doors.audio_format import AudioFormat
from steno_ingest.calls.doors.speech_sdk_audio import BadAudio, SdkAudio
from steno_ingest.calls.doors.speech_sdk_entrance import REFUSED_PATHS
from steno_ingest.calls.doors.speech_sdk_messages import BadMessage
from steno_ingest.calls.doors.speech_sdk_option_table import OPTIONS, Answer, SdkOption
from steno_ingest.calls.doors.speech_sdk_options import (
    MOST_HINTS,
    MOST_TICKS,
    Continuation,
    Mode,
    NotServed,
    SdkOptions,
    read_config,
    read_context,
    read_query,
)
from steno_ingest.calls.doors.speech_sdk_phrases import lexical, phrase_body
from steno_ingest.calls.doors.speech_sdk_turn import Token, read_token
from support.calls import live_phrase
from support.speech_sdk_peer import audio_message, riff, text_message

from steno.events.recognition import Profanity, RecognitionDetails
from steno.events.records import AudioCodec
from steno.validation import PRINTABLE

NEUTRAL = SdkOptions()


def asked(option: SdkOption) -> list[SdkOptions]:
    """What is read of each example of an option."""
    found = []
    if option.query:
        found.append(read_query(option.query, interactive=False))
    if option.config:
        found.append(read_config(NEUTRAL, json.dumps(option.config)))
    if option.context:
        found.append(read_context(NEUTRAL, json.dumps(option.context)))
    return found


@pytest.mark.parametrize("option", [option for option in OPTIONS if option.answer is Answer.SERVED], ids=lambda o: o.name)
def test_what_the_table_calls_served_is_read(option: SdkOption) -> None:
    """Each way in which clients send it changes what they are served with, and all ways to the same."""
    found = asked(option)
    assert all(options != NEUTRAL for options in found)
    assert all(one == other for one, other in pairwise(found))


@pytest.mark.parametrize("option", [option for option in OPTIONS if option.answer is Answer.PASSED_OVER], ids=lambda o: o.name)
def test_what_the_table_calls_passed_over_changes_nothing(option: SdkOption) -> None:
    """No example of it."""
    assert asked(option)
    assert all(options == NEUTRAL for options in asked(option))


@pytest.mark.parametrize("option", [option for option in OPTIONS if option.answer is Answer.REFUSED], ids=lambda o: o.name)
def test_what_the_table_calls_refused_is_refused(option: SdkOption) -> None:
    """Each part of its examples, with a text."""
    if not (option.query or option.context):
        assert any("synthesis" in reason for reason in REFUSED_PATHS.values())
        return
    if option.query:
        with pytest.raises(NotServed):
            read_query(option.query, interactive=False)
    for name, value in option.context.items():
        with pytest.raises(NotServed, match=r".{20}"):
            read_context(NEUTRAL, json.dumps({name: value}))


def test_the_context_counts_before_the_query() -> None:
    """And what it does not say stays as the query has it."""
    queried = read_query("language=fr-fr&profanity=removed&cid=base.en", interactive=True)
    assert (queried.mode, queried.locale) == (Mode.ONCE, "fr-FR")
    both = read_context(queried, json.dumps({"phraseDetection": {"language": "zh-hans-cn", "mode": "CONVERSATION"}}))
    assert (both.mode, both.locale) == (Mode.CONTINUOUS, "zh-Hans-CN")
    assert (both.recognition.profanity, both.recognition.model) == (Profanity.REMOVED, "base.en")


def test_a_phrase_list_of_any_length_is_read() -> None:
    """As much of it as the engine takes."""
    items = [{"text": f"{number} " + "x" * 200} for number in range(300)]
    options = read_context(NEUTRAL, json.dumps({"dgi": {"groups": [{"type": "Generic", "items": items}]}}))
    assert len(options.recognition.hints) == MOST_HINTS
    assert max(map(len, options.recognition.hints)) == 128


@pytest.mark.parametrize(
    "context",
    [
        {"steno": {"callId": ""}},
        {"steno": {"callid": "x"}},
        {"steno": "no JSON"},
        {"steno": {"roles": ["boss"]}},
        {"phraseDetection": {"enrichment": {"profanity": "loud"}}},
        {"languageId": {"languages": ["en"] * 17}},
        {"phraseDetection": {"language": "x" * 200}},
        {"phraseDetection": {"language": "en US"}},
        {"languageId": {"languages": ["e\0n"]}},
        {"steno": {"callId": "a\r\nPath:turn.end"}},
        {"dgi": {"groups": [{"items": [{"text": "a\0b"}]}]}},
        {"dgi": {"groups": [{"items": [{"text": "a\ud800b"}]}]}},
        {"audio": {"streams": {"1": None}}, "continuation": {"token": "0.0.a\ud800b"}},
    ],
)
def test_what_is_not_valid_is_refused_with_a_text(context: Any) -> None:
    """For the person who wrote the client."""
    with pytest.raises(NotServed, match=r".{20}"):
        read_context(NEUTRAL, json.dumps(context))


def test_the_property_of_a_connection_may_be_a_text() -> None:
    """The SDK for Python sets texts only."""
    context = {"steno": '{"callId": "crm-7"}'}
    assert read_context(NEUTRAL, json.dumps(context)).call_id == "crm-7"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    *("phraseDetection", "language", "mode", "Conversation", "segmentation", "segmentationSilenceTimeoutMs"),
                    *("audio", "streams", "1", "offset", "token", "continuation", "dgi", "groups", "items", "text", "steno"),
                    *("languageId", "languages", "enrichment", "profanity", "phraseOutput", "format", "initialSilenceTimeout"),
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=20,
)


@given(st.dictionaries(st.sampled_from(["phraseDetection", "audio", "continuation", "dgi", "languageId", "steno"]), JSON))
def test_any_context_is_read_or_refused(context: Any) -> None:
    """Whatever stands where."""
    try:
        options = read_context(NEUTRAL, json.dumps(context))
    except NotServed:
        return
    assert isinstance(options.continuation, Continuation)
    RecognitionDetails.model_validate(options.recognition.model_dump())
    assert str(options).isprintable()


@given(st.text(alphabet="0123456789abcdefABCDEF", min_size=1, max_size=32), st.text(), st.binary())
def test_messages_are_read_as_they_were_written(request_id: str, body: str, payload: bytes) -> None:
    """Text and binary ones."""
    text = messages.read_text(text_message("speech.context", {"text": body}, request_id))
    assert (text.path, text.request_id, json.loads(text.body)) == ("speech.context", request_id, {"text": body})
    binary = messages.read_binary(audio_message(payload, request_id))
    assert (binary.path, binary.request_id, binary.payload) == ("audio", request_id, payload)


@given(st.text() | st.binary())
def test_any_message_is_read_or_refused(message: str | bytes) -> None:
    """Nothing else comes of it."""
    with suppress(BadMessage):
        read = messages.read_text(message) if isinstance(message, str) else messages.read_binary(message)
        assert read.path


@given(st.integers(0, 2**31 - 1), st.integers(0, MOST_TICKS), st.from_regex(PRINTABLE, fullmatch=True))
def test_a_token_is_read_as_it_was_written(phrases: int, ticks: int, call_id: str) -> None:
    """Whatever the id of the call is."""
    token = Token(call_id=call_id, phrases=phrases, ticks=ticks)
    assert read_token(str(token)) == token


@pytest.mark.parametrize("text", ["", "1", "1.2", "1.2.", "a.2.c", "-1.2.c", "1.2e3.c", "٣.1.c", "1.2.a\0b", "1.2.a\r\nb"])
def test_what_is_no_token(text: str) -> None:
    """It is as if there were none."""
    assert read_token(text) is None


def _read(header: bytes, audio: bytes, *, piece: int = 700) -> tuple[AudioFormat | None, int, bytes]:
    reader, found = SdkAudio(), b""
    whole = header + audio
    for begin in range(0, len(whole), piece):
        found += reader.add(whole[begin : begin + piece])
    return reader.format, reader.channels, found + reader.finish()


@pytest.mark.parametrize(
    ("header", "codec", "rate"),
    [
        (riff(rate=8000), AudioCodec.S16LE, 8000),
        (riff(), AudioCodec.S16LE, 16_000),
        (riff(channels=2), AudioCodec.S16LE, 16_000),
        (riff(tag=7, rate=8000, bits=8), AudioCodec.PCMU, 8000),
        (riff(tag=6, rate=8000, bits=8, channels=2), AudioCodec.PCMA, 8000),
    ],
)
def test_audio_of_telephones_goes_on_as_it_came(header: bytes, codec: AudioCodec, rate: int) -> None:
    """However it is cut into messages."""
    audio = bytes(number % 251 for number in range(6400))
    for piece in (1, 7, 44, 700, 10_000):
        found, _, heard = _read(header, audio, piece=piece)
        assert (found, heard) == (AudioFormat(codec, rate), audio)


@pytest.mark.parametrize(
    ("rate", "bits", "channels"),
    [(44_100, 16, 1), (48_000, 16, 2), (22_050, 8, 1), (16_000, 8, 2), (8000, 8, 1)],
)
def test_other_audio_becomes_linear_audio_at_16_khz(rate: int, bits: int, channels: int) -> None:
    """A tone stays the tone that it was."""
    times = np.arange(rate) / rate
    tone = np.repeat(np.sin(2 * np.pi * 440 * times)[:, None], channels, axis=1)
    audio = (tone * 100 + 128).astype("u1") if bits == 8 else (tone * 10_000).astype("<i2")
    found, heard_channels, heard = _read(riff(rate=rate, bits=bits, channels=channels), audio.tobytes())
    assert (found, heard_channels) == (AudioFormat(AudioCodec.S16LE, 16_000), channels)
    samples = np.frombuffer(heard, "<i2").reshape(-1, channels)
    assert abs(len(samples) - 16_000) <= 1
    spectrum = np.abs(np.fft.rfft(samples[:, -1].astype(float)))
    assert abs(int(np.argmax(spectrum)) - 440) <= 1


def test_g722_is_decoded() -> None:
    """Two samples a byte (ITU-T G.722)."""
    tone = (np.sin(2 * np.pi * 440 * np.arange(16_000) / 16_000) * 10_000).astype("<i2")
    coded = G722.G722(16_000, 64_000).encode(array("h", tone.tobytes()))
    found, _, heard = _read(riff(tag=0x028F, bits=16), bytes(coded))
    assert found == AudioFormat(AudioCodec.S16LE, 16_000)
    spectrum = np.abs(np.fft.rfft(np.frombuffer(heard, "<i2").astype(float)))
    assert abs(int(np.argmax(spectrum)) - 440) <= 1


@pytest.mark.parametrize(
    "header",
    [
        b"OggS" + bytes(40),
        b"RIFF\0\0\0\0AVI " + bytes(40),
        b"RIFF\0\0\0\0WAVEdata\0\0\0\0",
        b"RIFF\0\0\0\0WAVELIST\xff\xff\xff\x7f" + bytes(5000),
        riff(channels=0),
        riff(channels=9),
        riff(rate=0),
        riff(rate=2**31),
        riff(bits=24),
        riff(tag=2, bits=4),
        riff(tag=7, rate=16_000, bits=8),
    ],
)
def test_a_header_that_cannot_be_served_is_refused_with_a_text(header: bytes) -> None:
    """Not a WAV file, a size that lies, another format."""
    with pytest.raises(BadAudio, match=r".{20}"):
        _read(header, bytes(100))


@given(st.binary(max_size=200), st.integers(1, 50))
def test_any_audio_is_read_or_refused(audio: bytes, piece: int) -> None:
    """Behind the beginning of a header, or without one."""
    for header in (b"", riff()[:20], riff(rate=11_025, bits=8)):
        with suppress(BadAudio):
            found, channels, heard = _read(header, audio, piece=piece)
            assert found is None or len(heard) % found.frame_bytes(channels) == 0


def test_a_phrase_in_detail() -> None:
    """One alternative, in words and as it is shown; who speaks, where, and in which language."""
    options = replace(NEUTRAL, detailed=True, separate_channels=True, speakers=True)
    phrase = live_phrase(1, text="It's $5, I think.", start_ms=2000, duration_ms=500)
    body = phrase_body(phrase, options, base=10_000_000, channels=2)
    assert (body["Offset"], body["Duration"], body["Channel"], body["SpeakerId"]) == (10_000_000, 5_000_000, 1, "Guest-2")
    (best,) = body["NBest"]
    assert (best["Lexical"], best["Display"], best["Confidence"]) == ("it's 5 i think", "It's $5, I think.", 0.5)
    assert best["Words"] == [{"Word": "phrase", "Offset": 10_000_000, "Duration": 3_000_000, "Confidence": 0.5}]
    assert phrase_body(phrase, options, base=0, channels=1)["SpeakerId"] == "Unknown"


@pytest.mark.parametrize(
    ("text", "words"),
    [("Hello, World!", "hello world"), ("twenty-one don't", "twenty-one don't"), ("'quoted' - so", "quoted so"), ("", "")],
)
def test_words_without_punctuation(text: str, words: str) -> None:
    """Hyphens and apostrophes stay within words."""
    assert lexical(text) == words


@pytest.mark.parametrize(("locale", "language"), [("de-DE", "de-DE"), ("", "Unknown")])
def test_the_language_of_a_phrase_among_candidates(locale: str, language: str) -> None:
    """Where the engine does not say it, the client is not given an empty one."""
    options = read_query("lidEnabled=en-US,de-DE", interactive=False)
    body = phrase_body(live_phrase(0, locale=locale), options, base=0, channels=1)
    assert body["PrimaryLanguage"] == {"Language": language, "Confidence": "Unknown"}
