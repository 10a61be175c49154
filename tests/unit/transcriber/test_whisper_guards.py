"""What is believed, by figures that were measured."""

import pytest
from steno_transcriber.engines.whisper_decoder import Decoded
from steno_transcriber.engines.whisper_guards import Guards, Verdict
from steno_transcriber.engines.whisper_times import TimedWord
from steno_transcriber.speech import Word


def heard(text: str, log_probability: float, no_speech: float, *, compression: float = 0.6, capped: bool = False) -> Decoded:
    words = tuple(TimedWord(text=word, start=0.0, end=0.1, probability=0.5) for word in text.split())
    return Decoded(
        text=text,
        words=words,
        language="en",
        log_probability=log_probability,
        no_speech=no_speech,
        compression=compression,
        capped=capped,
    )


def words(*texts: str, confidence: float = 0.9) -> list[Word]:
    return [Word(text=text, start_ms=0, duration_ms=100, confidence=confidence) for text in texts]


@pytest.mark.parametrize(
    ("text", "log_probability", "no_speech", "seconds"),
    [
        ("F***!", -1.8, 0.57, 0.5),
        ("F***!", -1.32, 0.53, 0.7),
        ("F-", -3.12, 0.46, 3.1),
        ("Thank you.", -1.5, 0.33, 8.0),
        ("Thank you for watching.", -1.35, 0.28, 8.5),
        ("Thank you.", -1.22, 0.83, 10.6),
        ("you", -2.41, 0.92, 3.2),
    ],
)
def test_beeps_music_and_keys_are_nobody_s_words(text: str, log_probability: float, no_speech: float, seconds: float) -> None:
    """As the model wrote them, and how sure it was."""
    assert Guards().judge(heard(text, log_probability, no_speech), seconds) is Verdict.IMPROBABLE


@pytest.mark.parametrize(
    ("text", "log_probability", "no_speech", "seconds"),
    [
        ("Thank you.", -1.38, 0.31, 0.56),
        ("uh-huh", -1.19, 0.35, 0.44),
        ("two.", -1.45, 0.44, 0.52),
        ("Um.", -1.37, 0.13, 0.5),
        ("eight three seven.", -1.26, 0.28, 0.96),
        ("Okay.", -0.58, 0.05, 0.46),
    ],
)
def test_short_and_quiet_words_are_believed(text: str, log_probability: float, no_speech: float, seconds: float) -> None:
    """Real ones, of real calls, decoded alone."""
    assert Guards().judge(heard(text, log_probability, no_speech), seconds) is Verdict.BELIEVED


def test_a_decoder_that_had_to_be_stopped_ran_in_circles() -> None:
    """As did one whose text can be compressed too well, or holds more words than can be said."""
    judge = Guards().judge
    assert judge(heard("no no no", -0.2, 0.1, capped=True), 3.0) is Verdict.CIRCULAR
    assert judge(heard("no no no", -0.2, 0.1, compression=2.5), 3.0) is Verdict.CIRCULAR
    assert judge(heard("no " * 20, -0.2, 0.1, compression=2.0), 1.0) is Verdict.CIRCULAR
    assert judge(heard("no " * 8, -0.2, 0.1, compression=2.0), 3.0) is Verdict.BELIEVED


def test_several_utterances_of_what_may_be_no_speech_are_not_believed_together() -> None:
    """Beeps in a row make a text that is probable as a text."""
    beeps = heard("Beep, beep, beep, beep, beep, beep.", -0.49, 0.76)
    assert Guards().judge(beeps, 3.0, utterances=5) is Verdict.IMPROBABLE


def test_words_that_repeat_themselves_are_not_believed_where_nobody_may_have_spoken() -> None:
    """What music gave on a processor of another kind; and real answers."""
    judge = Guards().judge
    assert judge(heard("Oh, oh, oh, oh", -0.87, 0.91), 1.8) is Verdict.IMPROBABLE
    assert judge(heard("Yes, yes, yes, yes", -0.38, 0.45), 3.0) is Verdict.BELIEVED
    assert judge(heard("Yeah, yeah.", -0.6, 0.7), 1.0) is Verdict.BELIEVED
    assert judge(heard("No, no, no, I didn't", -0.6, 0.7), 2.0) is Verdict.BELIEVED


def test_words_among_others_are_doubted_if_improbable_or_repeated() -> None:
    """And only then."""
    doubts = Guards().doubts
    assert doubts(words("my", confidence=0.2))
    assert doubts(words("Yes,", "yes."))
    assert doubts(words("My", "name", "is.", "My", "name", "is"))
    assert not doubts(words("my", "name", "is", "my", "own"))
    assert not doubts(words("7", "7", "0", "0"))
    assert not doubts([])
