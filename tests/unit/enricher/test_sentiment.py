"""The mood of phrases as they are said on the telephone."""

import pytest
from steno_enricher.sentiment import Sentiment


@pytest.fixture(scope="module")
def sentiment() -> Sentiment:
    return Sentiment()


@pytest.mark.parametrize(
    "text",
    [
        "It still doesn't work.",
        "It is still not working",
        "The website won't go through.",
        "I lost my credit card.",
        "My wallet was stolen.",
        "Can I speak to your manager?",
        "I want to talk to a supervisor, please.",
        "Great, another hour on hold.",
        "I've been waiting for forty minutes.",
        "I want to cancel my account.",
        "I am very unhappy with this service.",
        "You charged me twice.",
        "This is ridiculous.",
        "I have been transferred three times and nobody fixed the billing error.",
    ],
)
def test_a_complaint_is_negative(sentiment: Sentiment, text: str) -> None:
    """What a customer complains of scores below zero, also where no single word is bad."""
    assert sentiment.score(text, locale="en-US") <= -0.3


@pytest.mark.parametrize(
    "text",
    [
        "No, that will be all.",
        "No, that's all, thank you.",
        "No",
        "Yes.",
        "Okay, sure.",
        "No problem.",
        "No, I'm good, thanks.",
        "I would like to check the balance on my savings account please.",
        "My credit card number please.",
        "Help me please.",
        "Thank you for calling Harbour Bank, how can I help you today?",
        "Is there anything else I can help you with?",
        "I'm calling about my security deposit box.",
    ],
)
def test_a_formula_is_no_mood(sentiment: Sentiment, text: str) -> None:
    """Answers, requests, greetings, names of products and polite ends are next to neutral, and never negative."""
    assert 0 <= sentiment.score(text, locale="en-US") <= 0.35


@pytest.mark.parametrize(
    "text",
    [
        "Thank you so much, you have been very helpful.",
        "That is wonderful, I really appreciate it.",
        "Perfect, it works now.",
        "You made my day!",
    ],
)
def test_praise_is_positive(sentiment: Sentiment, text: str) -> None:
    """Thanks beyond the formula scores above zero."""
    assert sentiment.score(text, locale="en-US") >= 0.4


def test_writing_is_not_mood(sentiment: Sentiment) -> None:
    """Capitals, commas, a full stop and the kind of apostrophe are the recogniser's doing."""
    said = ["it still doesn't work", "It still DOESN'T work.", "It still doesn\N{RIGHT SINGLE QUOTATION MARK}t, work."]
    assert len({sentiment.score(text, locale="en-US") for text in said}) == 1


def test_another_language_has_no_score(sentiment: Sentiment) -> None:
    """An English lexicon says nothing of other languages."""
    assert sentiment.score("die war super", locale="de-DE") == 0.0


def test_a_negated_overlay_turns_round(sentiment: Sentiment) -> None:
    """VADER's rules work around the words of the overlay as around its own."""
    assert sentiment.score("I am not fed up", locale="en-US") > 0
