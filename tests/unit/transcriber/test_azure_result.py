"""What Azure answers, read."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from steno_transcriber.azure.result import UnreadableResult, read_fast, read_result

MS = 10_000


def phrase(
    channel: int = 0, start_ms: int = 0, duration_ms: int = 1000, text: str = "Hello.", **changes: Any
) -> dict[str, Any]:
    best = {"confidence": 0.8, "lexical": "hello", "itn": "hello", "maskedITN": "hello", "display": text}
    return {
        "recognitionStatus": "Success",
        "channel": channel,
        "offset": "PT0S",
        "duration": "PT1S",
        "offsetInTicks": start_ms * MS,
        "durationInTicks": duration_ms * MS,
        "nBest": [best],
        **changes,
    }


def file(*phrases: dict[str, Any], channels: tuple[int, ...] = (0, 1), duration_ms: int = 60_000) -> bytes:
    content = {
        "source": "https://calls.example/1.wav",
        "timestamp": "2026-03-01T00:00:00Z",
        "durationInTicks": duration_ms * MS,
        "duration": "PT1M",
        "combinedRecognizedPhrases": [
            {"channel": channel, "lexical": "", "itn": "", "maskedITN": "", "display": ""} for channel in channels
        ],
        "recognizedPhrases": list(phrases),
    }
    return json.dumps(content).encode()


def test_silence_is_an_answer() -> None:
    """For the channels that the file has."""
    source, result = read_result(file(), language="en-US")
    assert (source, result.channels, result.answer.finals) == ("https://calls.example/1.wav", frozenset({0, 1}), ())
    assert (result.answer.channel_count, result.answer.duration_ms) == (2, 60_000)


def test_what_was_not_recognised_is_left_out() -> None:
    """It has no words; its channel was answered for."""
    none = phrase(channel=1, recognitionStatus="NoMatch", nBest=[])
    _, result = read_result(file(none, phrase(text=" "), channels=()), language="en-US")
    assert (result.answer.finals, result.channels) == ((), frozenset({0, 1}))


def test_the_language_is_that_of_the_phrase() -> None:
    """Where Azure chose among several; otherwise the one that was asked for."""
    _, result = read_result(file(phrase(locale="de-DE"), phrase(start_ms=2000)), language="en-US")
    assert [final.recognition.language for final in result.answer.finals] == ["de", "en"]


def test_phrases_that_begin_together_are_told_apart() -> None:
    """Ids follow from channel and start: none may be lost."""
    same = [phrase(text="One."), phrase(text="Two."), phrase(start_ms=1, text="Three.")]
    _, result = read_result(file(*same), language="en-US")
    assert [(final.start_ms, final.recognition.text) for final in result.answer.finals] == [
        (0, "One."),
        (1, "Two."),
        (2, "Three."),
    ]


def test_words_lie_in_their_phrase() -> None:
    """A little outside is moved inside."""
    words = [{"word": "hello", "offsetInTicks": 900 * MS, "durationInTicks": 700 * MS, "confidence": 1.2}]
    best = {"confidence": 0.8, "display": "Hello.", "words": words}
    _, result = read_result(file(phrase(start_ms=1000, nBest=[best])), language="en-US")
    (word,) = result.answer.finals[0].recognition.words
    assert (word.start_ms, word.duration_ms, word.confidence) == (1000, 600, 1.0)


times = st.integers(0, 10**8)
spoken = st.builds(phrase, channel=st.integers(0, 3), start_ms=times, duration_ms=times, text=st.text(max_size=5))


@given(st.lists(spoken, max_size=12))
def test_every_phrase_with_text_is_told_once_and_in_order(phrases: list[dict[str, Any]]) -> None:
    """Whatever their times: by start and channel, no two of a channel with the same start, all inside the recording."""
    _, result = read_result(file(*phrases), language="en-US")
    finals = result.answer.finals
    places = [(final.start_ms, final.channel) for final in finals]
    assert places == sorted(set(places))
    texts = sorted(given["nBest"][0]["display"].strip() for given in phrases if given["nBest"][0]["display"].strip())
    assert sorted(final.recognition.text for final in finals) == texts
    assert all(final.duration_ms > 0 and final.end_ms <= result.answer.duration_ms for final in finals)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(
                st.sampled_from(
                    ["source", "durationInTicks", "recognizedPhrases", "combinedRecognizedPhrases", "nBest", "channel"]
                ),
                inner,
            )
        ),
    )
)
def test_nonsense_is_unreadable(content: object) -> None:
    """And nothing else."""
    for read in (read_result, read_fast):
        with pytest.raises(UnreadableResult):
            read(json.dumps(content).encode(), language="en-US")


@given(st.binary())
def test_bytes_are_unreadable(content: bytes) -> None:
    """And nothing else."""
    with pytest.raises(UnreadableResult):
        read_result(content, language="en-US")


def test_fast_transcription_is_read() -> None:
    """Its words have no confidence: they have that of the phrase."""
    content = {
        "durationMilliseconds": 3000,
        "combinedPhrases": [{"channel": 0, "text": "Hello."}, {"channel": 1, "text": ""}],
        "phrases": [
            {
                "channel": 0,
                "offsetMilliseconds": 100,
                "durationMilliseconds": 900,
                "text": "Hello.",
                "words": [{"text": "Hello.", "offsetMilliseconds": 100, "durationMilliseconds": 500}],
                "locale": "en-GB",
                "confidence": 0.7,
            }
        ],
    }
    result = read_fast(json.dumps(content).encode(), language="en-US")
    (final,) = result.answer.finals
    assert (result.channels, result.answer.duration_ms, final.start_ms, final.recognition.confidence) == (
        frozenset({0, 1}),
        3000,
        100,
        0.7,
    )
    assert [(word.text, word.confidence) for word in final.recognition.words] == [("Hello.", 0.7)]
