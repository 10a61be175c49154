"""The worked examples of the extension guide do what it says."""

import pytest
from extending.masked_card_step import MaskedCard
from extending.one_word_engine import OneWordEngine
from steno_transcriber.engines.port import UtteranceEngine
from steno_transcriber.steps import Steps
from support.engine_contract import UtteranceEngineContract

from steno.events.records import Phrase, Word


class TestOneWordEngine(UtteranceEngineContract):
    @pytest.fixture(scope="class")
    @classmethod
    def engine(cls) -> UtteranceEngine:
        return OneWordEngine()


def phrase(text: str) -> Phrase:
    return Phrase(
        call_id="c",
        recording_id="r",
        phrase_id="p",
        sequence=0,
        channel=0,
        start_ms=0,
        duration_ms=1000,
        text=text,
        confidence=1.0,
        words=tuple(Word(text=word, start_ms=0, duration_ms=10, confidence=1.0) for word in text.split()),
    )


def test_the_step_masks_what_follows_the_question() -> None:
    """Digits of the answer, in its text and its words; later ones stay."""
    spoken = [phrase("May I have the card number?"), phrase("It is 4111"), phrase("Row 12")]
    published = list(Steps([MaskedCard()]).apply_to_all(spoken))
    assert [each.text for each in published] == ["May I have the card number?", "It is xxxx", "Row 12"]
    assert [word.text for word in published[1].words] == ["It", "is", "xxxx"]


def test_the_state_is_all_that_a_takeover_needs() -> None:
    """Whoever goes on from the state behind the first phrase publishes the same of the second."""
    steps = Steps([MaskedCard()])
    _, states = steps.apply(phrase("May I have the card number?"), {})
    assert states == {"masked_card": "asked"}
    assert steps.apply(phrase("It is 4111"), states)[0].text == "It is xxxx"
