"""What was refused or missed is heard in another way, until all is understood or given up."""

from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from steno_transcriber.engines.whisper_decoder import Decoded
from steno_transcriber.engines.whisper_guards import Guards
from steno_transcriber.engines.whisper_listening import Attempt, Listening
from steno_transcriber.engines.whisper_packing import Layout, Packing
from steno_transcriber.engines.whisper_times import TimedWord
from steno_transcriber.speech import SAMPLES_PER_MS, Utterance


def utterance(start_ms: int, duration_ms: int) -> Utterance:
    samples = np.full(duration_ms * SAMPLES_PER_MS, 0.1, dtype=np.float32)
    return Utterance(channel=0, start_ms=start_ms, duration_ms=duration_ms, padding_before_ms=0, samples=samples)


def decoded(layout: Layout, words: Sequence[str], *, begin: float = 0.0, **facts: float | bool) -> Decoded:
    """Words spread evenly over a window from `begin` on, believed unless told otherwise."""
    times = np.linspace(begin, layout.seconds, len(words) + 1)
    timed = [
        TimedWord(text=text, start=float(start), end=float(end), probability=0.9)
        for text, start, end in zip(words, times, times[1:], strict=False)
    ]
    usual = {"log_probability": -0.3, "no_speech": 0.1, "compression": 1.0, "capped": False}
    return Decoded(text=" ".join(words), words=tuple(timed), language="en", **{**usual, **facts})  # type: ignore[arg-type]


def listen(utterances: Sequence[Utterance], hear: Callable[[Layout], Decoded]) -> tuple[list[str], list[Layout]]:
    """The text of each utterance of one window, and all that was decoded."""
    packing = Packing(longest_ms=60_000)
    listening = Listening([tuple(utterances)], packing=packing, guards=Guards())
    layouts: list[Layout] = []
    while wanted := listening.layouts():
        asked = [layout for _, layout in wanted]
        layouts += asked
        listening.add(asked, [hear(layout) for layout in asked])
    return [listening.recognition(part).text for part in utterances], layouts


def test_a_window_that_is_believed_is_decoded_once() -> None:
    """Nothing is decoded for nothing."""
    texts, layouts = listen([utterance(0, 900), utterance(2_000, 900)], lambda layout: decoded(layout, ["a", "b", "c", "d"]))
    assert texts == ["a b", "c d"]
    assert len(layouts) == 1


def test_what_sounds_and_has_no_words_is_decoded_alone() -> None:
    """The words of the others stay."""
    first, second = utterance(0, 3_000), utterance(4_000, 1_500)

    def hear(layout: Layout) -> Decoded:
        if layout.utterances == (first,):
            return decoded(layout, ["one", "two", "three", "four"])
        return decoded(layout, ["five", "six"], begin=3.4)

    texts, layouts = listen([first, second], hear)
    assert texts == ["one two three four", "five six"]
    assert [layout.utterances for layout in layouts[1:]] == [(first,)]


def test_what_repeats_itself_comes_back_by_halves() -> None:
    """A decoder that runs in circles over seven seconds does not over two."""

    def hear(layout: Layout) -> Decoded:
        if layout.seconds > 3:
            return decoded(layout, ["no"] * 40, compression=9.0, capped=True)
        return decoded(layout, ["no"] * round(layout.seconds))

    texts, _ = listen([utterance(0, 7_600)], hear)
    assert 7 <= len(texts[0].split()) <= 9


def test_circles_at_every_length_are_given_up() -> None:
    """However small the piece: more words than anybody speaks are nobody's."""
    texts, layouts = listen([utterance(0, 7_600)], lambda layout: decoded(layout, ["no"] * 60, compression=9.0))
    assert texts == [""]
    assert len(layouts) < 16


def test_what_nobody_may_have_said_is_left_out() -> None:
    """Alone as in company."""
    improbable = {"log_probability": -2.0, "no_speech": 0.5}
    texts, layouts = listen(
        [utterance(0, 900), utterance(2_000, 900)], lambda layout: decoded(layout, ["thank", "you."], **improbable)
    )
    assert texts == ["", ""]
    assert len(layouts) == 4


def test_what_is_refused_is_first_heard_in_a_longer_window() -> None:
    """Words that were improbable there may be sure here; then nothing is cut."""
    window = (utterance(0, 900), utterance(2_000, 900))
    listening = Listening([window], packing=Packing(), guards=Guards())
    [(first, layout)] = listening.layouts()
    listening.add([layout], [decoded(layout, ["four", "you."], log_probability=-2.0)])
    [(second, same)] = listening.layouts()
    listening.add([same], [decoded(same, ["six", "five", "one", "four"])])
    assert (first, second) == (Attempt.FIRST, Attempt.REFUSED)
    assert same.utterances == window
    assert [listening.recognition(part).text for part in window] == ["six five", "one four"]
    assert not listening.layouts()


@given(
    lengths=st.lists(st.integers(20, 3_000), min_size=1, max_size=5),
    facts=st.lists(
        st.tuples(st.floats(-3, 0), st.floats(0, 1), st.floats(0, 5), st.booleans(), st.integers(0, 40), st.floats(0, 1)),
        min_size=1,
        max_size=8,
    ),
)
def test_whatever_is_heard_it_ends(lengths: list[int], facts: list[tuple[float, float, float, bool, int, float]]) -> None:
    """Every utterance is answered, with words in its own time, and no window is decoded more than twice."""
    utterances, at = [], 0
    for length in lengths:
        utterances.append(utterance(at, length))
        at += length + 500
    taken = iter(facts * 200)

    def hear(layout: Layout) -> Decoded:
        log_probability, no_speech, compression, capped, words, begin = next(taken)
        return decoded(
            layout,
            ["word"] * words,
            begin=begin * layout.seconds,
            log_probability=log_probability,
            no_speech=no_speech,
            compression=compression,
            capped=capped,
        )

    texts, layouts = listen(utterances, hear)
    assert len(texts) == len(utterances)
    decoded_windows = [layout.utterances for layout in layouts]
    assert max(Counter(decoded_windows).values()) <= 2
