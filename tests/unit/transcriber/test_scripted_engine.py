"""The test double keeps the contract of every engine."""

from collections.abc import Iterator

import pytest
from steno_transcriber import engines
from steno_transcriber.engines.port import UtteranceEngine
from steno_transcriber.engines.scripted import ScriptedEngine
from support.engine_contract import UtteranceEngineContract, recorded_utterances
from support.recognition_options import ENGLISH


class TestScriptedEngine(UtteranceEngineContract):
    """The contract, on the scripted engine."""

    @pytest.fixture(scope="class")
    @classmethod
    def engine(cls) -> Iterator[UtteranceEngine]:
        engine = engines.load("scripted")
        yield engine
        engine.close()

    def test_it_says_what_its_script_says(self) -> None:
        """A script of one's own decides the words, and silence."""
        utterances = recorded_utterances()[:2]
        engine = ScriptedEngine(lambda utterance: "" if utterance is utterances[0] else "my card is lost")
        texts = [engine.decode(pack, ENGLISH)[0].text for pack in engine.packs(utterances)]
        assert texts == ["", "my card is lost"]


def test_whisper_needs_a_model() -> None:
    """An engine with weights cannot be loaded without a directory."""
    with pytest.raises(ValueError, match="needs a model directory"):
        engines.load("whisper")
