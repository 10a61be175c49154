"""What of a hypothesis stands: its beginning, as far as two in a row agree."""

from hypothesis import given
from hypothesis import strategies as st
from steno_transcriber.live.agreement import Agreement

words = st.sampled_from(["I", "i,", "lost", "lost.", "my", "My", "card", "card?", "-"])
texts = st.lists(words, max_size=8).map(" ".join)


def plain(text: str) -> list[str]:
    return ["".join(letter for letter in word.casefold() if letter.isalnum()) for word in text.split()]


def begins(text: str, beginning: str) -> bool:
    return plain(text)[: len(beginning.split())] == plain(beginning)


@given(st.lists(texts, min_size=1, max_size=10))
def test_what_stands_is_what_two_in_a_row_agree_on(heard: list[str]) -> None:
    """It is a literal beginning of the newest in whole words, begins the one before too, and the next word is not in both."""
    agreement = Agreement()
    before = ""
    for text in heard:
        stable = agreement.add(text)
        count = len(stable.split())
        assert text.startswith(stable)
        assert stable.split() == text.split()[:count]
        assert begins(before, stable)
        behind, behind_before = plain(text)[count:], plain(before)[count:]
        assert not behind or not behind_before or behind[0] != behind_before[0]
        before = text


@given(st.lists(texts, min_size=2, max_size=10))
def test_it_grows_while_the_text_begins_with_it(heard: list[str]) -> None:
    """It shrinks only when the engine takes something back."""
    agreement = Agreement()
    stood = ""
    for text in heard:
        stable = agreement.add(text)
        if begins(text, stood):
            assert len(stable.split()) >= len(stood.split())
        stood = stable


def test_case_and_punctuation_do_not_count() -> None:
    """It is written as it is now."""
    agreement = Agreement()
    assert agreement.add("i lost my card") == ""
    assert agreement.add("I lost  my car, and") == "I lost  my"
    assert agreement.add("I lost, my car. And") == "I lost, my car. And"
    assert agreement.add("You lost my car") == ""
