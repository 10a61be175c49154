"""What the Speech SDK says, as answers that are in order of time."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from steno_transcriber.azure.live_results import TICKS_PER_MS, ChannelAnswers, Result
from steno_transcriber.engines.port import Answer, EngineUnavailable, FinalAnswer, PartialAnswer, SilentUntil


def result(begin_ms: int, end_ms: int, text: str = "", **detail: object) -> Result:
    offset, duration = begin_ms * TICKS_PER_MS, (end_ms - begin_ms) * TICKS_PER_MS
    told = {"Offset": offset, "Duration": duration, **detail}
    return Result(channel=0, offset=offset, duration=duration, text=text, detail=json.dumps(told))


def channel(begin_ms: int = 10_000) -> ChannelAnswers:
    return ChannelAnswers(1, begin_ms=begin_ms, language="en")


def word(text: str, begin_ms: int, end_ms: int, **more: object) -> dict[str, object]:
    return {"Word": text, "Offset": begin_ms * TICKS_PER_MS, "Duration": (end_ms - begin_ms) * TICKS_PER_MS, **more}


def test_a_phrase_has_its_words_with_times_in_the_call() -> None:
    """The stretch began at ten seconds; the text is as it is written, the words as they are spoken."""
    best = {"Confidence": 0.9, "Words": [word("hello", 1000, 1400, Confidence=0.8), word("john", 1500, 2000)]}
    (final,) = channel().phrase(result(1000, 2000, "Hello, John.", NBest=[best]))
    assert isinstance(final, FinalAnswer)
    assert (final.channel, final.start_ms, final.end_ms) == (1, 11_000, 12_000)
    assert (final.recognition.text, final.recognition.confidence, final.recognition.language) == ("Hello, John.", 0.9, "en")
    assert [(w.text, w.start_ms, w.duration_ms, w.confidence) for w in final.recognition.words] == [
        ("hello", 11_000, 400, 0.8),
        ("john", 11_500, 500, 0.9),
    ]


def test_silence_after_a_lost_connection_is_no_answer_to_what_was_being_said() -> None:
    """The audio of a hypothesis is asked for again; a phrase answers it as ever, and so does silence on one connection."""
    said = channel()
    said.hypothesis(result(1000, 2000, "hello"))
    said.disconnected()
    with pytest.raises(EngineUnavailable):
        said.nothing(result(2000, 3000))
    (final,) = said.phrase(result(1000, 3000, "hello"))
    assert isinstance(final, FinalAnswer)
    (silent,) = said.nothing(result(3000, 4000))
    assert isinstance(silent, SilentUntil)
    said.disconnected()
    assert said.nothing(result(4000, 5000))
    said.hypothesis(result(5000, 6000, "you"))
    (empty,) = said.nothing(result(5000, 6000))
    assert isinstance(empty, FinalAnswer)
    assert not empty.recognition


def test_the_words_of_a_later_turn_lie_in_their_phrase() -> None:
    """The service counts from its turn; the SDK moves the time of the phrase, and not theirs."""
    told = result(500, 1000, "hi", NBest=[{"Confidence": 1, "Words": [word("hi", 600, 900)]}])
    moved = Result(channel=0, offset=30_000 * TICKS_PER_MS, duration=told.duration, text="hi", detail=told.detail)
    (final,) = channel(0).phrase(moved)
    assert isinstance(final, FinalAnswer)
    assert final.start_ms == 30_000
    assert [(w.start_ms, w.duration_ms) for w in final.recognition.words] == [(30_100, 300)]


@pytest.mark.parametrize("time", ["Infinity", "1e400", "-1", "NaN", '"1"'])
def test_a_time_that_is_none_is_the_beginning(time: str) -> None:
    """The words lie in their phrase, which has its own time."""
    detail = f'{{"NBest": [{{"Confidence": NaN, "Words": [{{"Word": "hi", "Offset": {time}, "Duration": {time}}}]}}]}}'
    (final,) = channel(0).phrase(replace(result(500, 1000, "hi"), detail=detail))
    assert isinstance(final, FinalAnswer)
    assert [(word.start_ms, word.duration_ms) for word in final.recognition.words] == [(500, 0)]
    assert final.recognition.confidence == 0.0


def test_a_phrase_takes_the_place_of_its_hypotheses() -> None:
    """The service may place it a little differently: it has the start of the first of them."""
    answers = channel(0)
    said = [*answers.hypothesis(result(1020, 1500, "hel")), *answers.hypothesis(result(1000, 1700, "hello"))]
    said += answers.phrase(result(990, 2000, "Hello."))
    assert [answer.start_ms for answer in said if not isinstance(answer, SilentUntil)] == [1020] * 3
    assert isinstance(said[-1], FinalAnswer)


def test_no_match_ends_what_was_open_and_else_is_silence() -> None:
    """Without words: nothing is published of it."""
    answers = channel(0)
    assert answers.nothing(result(0, 5000)) == [SilentUntil(channel=1, until_ms=5000)]
    answers.hypothesis(result(6000, 6500, "uh"))
    (final,) = answers.nothing(result(6000, 7000))
    assert isinstance(final, FinalAnswer)
    assert (final.start_ms, final.end_ms, final.recognition.text) == (6000, 7000, "")


def test_what_is_answered_already_is_not_answered_again() -> None:
    """A late hypothesis, a phrase that came twice, an older silence."""
    answers = channel(0)
    answers.phrase(result(1000, 2000, "one"))
    assert answers.hypothesis(result(1000, 1900, "on")) == []
    assert answers.phrase(result(1000, 2000, "one")) == []
    assert answers.silent_until(1500) == []


@pytest.mark.parametrize("detail", ["{nonsense", "[]", "7"])
def test_nonsense_is_no_phrase(detail: str) -> None:
    """The stretch is heard again."""
    with pytest.raises(EngineUnavailable, match="no JSON object"):
        channel().phrase(Result(channel=0, offset=0, duration=10_000_000, text="x", detail=detail))


def test_the_language_is_the_one_that_the_service_chose() -> None:
    """Where it chose among several."""
    (final,) = channel().phrase(result(0, 1000, "hallo", PrimaryLanguage={"Language": "de-DE", "Confidence": "High"}))
    assert isinstance(final, FinalAnswer)
    assert final.recognition.language == "de"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["Word", "Offset", "Words"]), inner, max_size=3)
    ),
    max_leaves=10,
)
KEYS = st.sampled_from(["NBest", "Offset", "Duration", "Confidence", "PrimaryLanguage", "Words"])


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["hypothesis", "phrase", "nothing", "silence"]),
            st.integers(0, 100_000),
            st.integers(0, 20_000),
            st.dictionaries(KEYS, JSON, max_size=4),
        ),
        max_size=12,
    )
)
def test_answers_are_in_order_whatever_is_said(steps: list[tuple[str, int, int, dict[str, object]]]) -> None:
    """No answer begins before what was answered ends, none is empty of time, words lie inside, and a final has its start."""
    answers, settled_ms = channel(0), 0
    open_ms: int | None = None
    for kind, begin_ms, length_ms, detail in steps:
        told = result(begin_ms, begin_ms + length_ms, "word")
        told = Result(channel=0, offset=told.offset, duration=told.duration, text="word", detail=json.dumps(detail))
        found: list[Answer] = []
        match kind:
            case "hypothesis":
                found = answers.hypothesis(told)
            case "phrase":
                found = answers.phrase(told)
            case "nothing":
                found = answers.nothing(told)
            case _:
                found = answers.silent_until(begin_ms)
        for answer in found:
            if isinstance(answer, SilentUntil):
                assert open_ms is None
                assert answer.until_ms > settled_ms
                settled_ms = answer.until_ms
                continue
            assert answer.start_ms >= settled_ms
            assert answer.duration_ms > 0
            assert open_ms in (None, answer.start_ms)
            open_ms = answer.start_ms
            if isinstance(answer, PartialAnswer):
                continue
            open_ms, settled_ms = None, answer.end_ms
            for said in answer.recognition.words:
                assert answer.start_ms <= said.start_ms
                assert said.start_ms + said.duration_ms <= answer.end_ms
