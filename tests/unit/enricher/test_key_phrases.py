"""What phrases are about."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from steno_enricher.key_phrases import KeyPhrases
from steno_enricher.ranking import KeyPhrase, distinct


@pytest.fixture(scope="module")
def key_phrases() -> KeyPhrases:
    return KeyPhrases()


def _texts(key_phrases: KeyPhrases, text: str) -> list[str]:
    return [found.text for found in key_phrases.find(text, locale="en-US")]


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("I would like to check the balance on my savings account please.", "savings account"),
        ("I lost my credit card and need a replacement debit card.", "replacement debit card"),
        ("My internet connection drops every evening around eight.", "internet connection drops"),
        ("I have been transferred three times and nobody fixed the billing error.", "billing error"),
    ],
)
def test_the_subject_comes_first(key_phrases: KeyPhrases, text: str, first: str) -> None:
    """The most telling words of a request lead."""
    assert _texts(key_phrases, text)[0] == first


@pytest.mark.parametrize(
    "text",
    [
        "Thank you for calling Harper Valley National Bank, my name is Robert, how can I help you today?",
        "Hello, thank you for calling Harbour Bank.",
        "Is there anything else I can help you with?",
        "Have a great day!",
        "This call may be recorded for quality purposes.",
        "Okay, yeah, sure.",
        "You're very welcome, bye bye.",
        "Four one two three, five six seven eight.",
        "It is 4123 5678.",
        "",
        "...",
    ],
)
def test_small_talk_and_numbers_have_none(key_phrases: KeyPhrases, text: str) -> None:
    """Greetings with the company's and the agent's name, good-byes and numbers are no subject."""
    assert _texts(key_phrases, text) == []


def test_a_greeting_does_not_hide_the_subject(key_phrases: KeyPhrases) -> None:
    """What follows the boilerplate in the same phrase is found, and the name is not."""
    found = _texts(key_phrases, "Hi, this is Mary Smith, I forgot the password of my online banking.")
    assert "online banking" in found
    assert not {"mary", "smith", "mary smith"} & set(found)


def test_other_languages_have_key_phrases(key_phrases: KeyPhrases) -> None:
    """The stop words of the phrase's language are used."""
    found = [entry.text for entry in key_phrases.find("Ich möchte meine Kreditkarte sperren lassen.", locale="de-DE")]
    assert any("kreditkarte" in text for text in found)


@given(st.permutations([KeyPhrase("credit card", 950), KeyPhrase("card", 970), KeyPhrase("lost", 700), KeyPhrase("bank", 700)]))
def test_ranking_knows_no_order_of_arrival(candidates: list[KeyPhrase]) -> None:
    """Equals are put in alphabetical order, and what is part of another is left out."""
    assert [chosen.text for chosen in distinct(candidates, 3)] == ["card", "bank", "lost"]


_WORDS = (
    "the",
    "to",
    "okay",
    "yes",
    "i'm",
    "it's",
    "don't",
    "wi-fi",
    "well-being",
    "b2b",
    "$5",
    "a.m.",
    "o'clock",
    "refund",
    "no.",
)


@settings(max_examples=200, deadline=None)
@given(words=st.lists(st.sampled_from(_WORDS), max_size=6))
def test_leaving_yake_out_changes_nothing(key_phrases: KeyPhrases, words: list[str]) -> None:
    """Where no word could tell YAKE is not asked: what it would say is the same."""
    text = " ".join(words)
    found = _texts(key_phrases, text)
    with pytest.MonkeyPatch.context() as patch:
        # All as one word, which is none: YAKE is asked of every text of two words.
        patch.setattr("steno_enricher.key_phrases._WORD", re.compile(".+"))
        assert _texts(key_phrases, text) == found
