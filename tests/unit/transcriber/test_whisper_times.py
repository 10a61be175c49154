"""Words that the model stretched are put where there is sound."""

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from steno_transcriber.engines.loudness import FRAME_MS, Sounding
from steno_transcriber.engines.whisper_times import TimedWord, longest, within_sound


def word(text: str, start: float, end: float) -> TimedWord:
    return TimedWord(text=text, start=start, end=end, probability=0.5)


def sound(*spans: tuple[float, float], seconds: float = 15.0) -> Sounding:
    found = np.zeros(round(seconds * 1000 / FRAME_MS), dtype=np.bool_)
    for start, end in spans:
        found[round(start * 1000 / FRAME_MS) : round(end * 1000 / FRAME_MS)] = True
    return found


def test_a_word_of_usual_length_stays() -> None:
    """To the last digit."""
    words = [word("hello", 0.1, 0.6), word("there.", 0.6, 1.2)]
    assert list(within_sound(words, sound((0, 2)))) == words


def test_the_first_word_is_said_last() -> None:
    """What the model did not hear before it is not its own."""
    (found,) = within_sound([word("Yes.", 0.0, 9.0)], sound((0, 4), (8.0, 9)))
    assert (found.start, found.end) == (9.0 - longest("Yes."), 9.0)


def test_a_word_at_the_end_of_a_sentence_is_said_first() -> None:
    """The pause behind it is not its own."""
    _, found = within_sound([word("Oh", 0.0, 0.3), word("yes.", 0.3, 9.0)], sound((0, 1.4), (8.5, 9)))
    assert (found.start, found.end) == (0.3, 0.3 + longest("yes."))


def test_a_short_word_in_much_silence_lies_in_its_sound() -> None:
    """Wherever in its time that is."""
    (found,) = within_sound([word("Yes.", 0.0, 9.0)], sound((4.0, 4.4)))
    assert found.start <= 4.0
    assert found.end >= 4.4


def test_digits_take_as_long_as_the_words_they_stand_for() -> None:
    """Four of them may last as long as a sentence."""
    assert longest("4711") > 2 > longest("four")


@given(
    times=st.lists(st.floats(0, 30), min_size=1, max_size=20),
    sounding=st.lists(st.booleans(), max_size=1_500),
    text=st.sampled_from(["a", "yes.", "4711", "California?"]),
)
def test_words_stay_in_order_and_within_their_time(times: list[float], sounding: list[bool], text: str) -> None:
    """None is lost, none leaves the time that the model gave it, none is much longer than it can be."""
    times = sorted([0.0, *times])
    words = [word(text, start, end) for start, end in pairwise(times)]
    found = list(within_sound(words, np.array(sounding, dtype=np.bool_)))
    assert len(found) == len(words)
    for before, after in zip(words, found, strict=True):
        assert before.start <= after.start <= after.end <= before.end + 1e-9
        assert after.end - after.start <= 1.5 * longest(text) + 1e-9
