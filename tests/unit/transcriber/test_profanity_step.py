"""Swear words are masked or left out where a call asks for it, in all that is published."""

import asyncio
from collections.abc import AsyncIterator
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from steno_transcriber.engines.choice import Engines
from steno_transcriber.engines.port import CallEngine, Unsupported, UtteranceEngine
from steno_transcriber.engines.scripted import ScriptedEngine
from steno_transcriber.engines.scripted_call import ScriptedCallEngine
from steno_transcriber.english_swear_words import is_swear_word
from steno_transcriber.profanity_step import MaskingStep, RemovingStep
from support.live_bed import PARTITION, Bed, message
from support.live_calls import BEGAN, CallWriter
from support.records import PHRASE
from support.speech import call_audio

from steno.events.recognition import Profanity, RecognitionDetails, RecognitionOptions
from steno.events.records import CallUpdated, Hypothesis, Phrase, TranscriptCompleted, TranscriptFailed, Word


def said(text: str) -> Phrase:
    """A phrase with its words, each with a time of its own."""
    words = tuple(
        Word(text=word, start_ms=5000 + 200 * index, duration_ms=200, confidence=0.5) for index, word in enumerate(text.split())
    )
    return PHRASE.model_copy(update={"text": text, "words": words})


def masked(phrase: Phrase) -> Phrase:
    return MaskingStep().apply(phrase, "")[0]


def removed(phrase: Phrase) -> Phrase:
    return RemovingStep().apply(phrase, "")[0]


@pytest.mark.parametrize(
    ("text", "with_mask", "without"),
    [
        ("Shit, it's gone.", "****, it's gone.", "it's gone."),
        ("This is a fucking joke!", "This is a ******* joke!", "This is a joke!"),
        ("You motherfucker's bastards", "You ************'* ********", "You"),
        ("Oh my god-damn card", "Oh my god-**** card", "Oh my god card"),
        ("BULLSHIT", "********", ""),
        ("He said \N{LEFT DOUBLE QUOTATION MARK}piss off\N{RIGHT DOUBLE QUOTATION MARK}.",
         "He said \N{LEFT DOUBLE QUOTATION MARK}**** off\N{RIGHT DOUBLE QUOTATION MARK}.",
         "He said off\N{RIGHT DOUBLE QUOTATION MARK}."),
        ("two  spaces", "two  spaces", "two  spaces"),
        ("", "", ""),
    ],
)  # fmt: skip
def test_each_letter_is_masked_or_the_word_is_left_out(text: str, with_mask: str, without: str) -> None:
    """In whatever case, as a plural or a genitive; the rest stays as it was said."""
    assert masked(said(text)).text == with_mask
    assert removed(said(text)).text == without


@pytest.mark.parametrize(
    "text",
    [
        "Mr. Dick Hancock of Scunthorpe",
        "a class of assistants assesses the assets",
        "a cocktail in Essex, and shiitake from Shitterton",
        "the cat's pussy willow, hell, what a niggardly analyst",
    ],
)
def test_what_only_looks_like_one_stays(text: str) -> None:
    """Names, towns and words with a plain meaning."""
    assert masked(said(text)) == removed(said(text)) == said(text)


def test_words_go_with_the_text() -> None:
    """A masked word keeps its time; one that is left out has none, and those around it keep theirs."""
    phrase = said("well shit, it broke")
    assert [(word.text, word.start_ms) for word in masked(phrase).words] == [
        ("well", 5000),
        ("****,", 5200),
        ("it", 5400),
        ("broke", 5600),
    ]
    assert [(word.text, word.start_ms) for word in removed(phrase).words] == [("well", 5000), ("it", 5400), ("broke", 5600)]


PARTS = st.sampled_from(
    ["shit", "Fuck", "damn", "card", "it's", "well", "assets", "4711", "-", "\N{LATIN SMALL LETTER E WITH ACUTE}t"]
)
TEXTS = st.lists(st.tuples(PARTS, st.sampled_from([" ", ", ", "! ", "-", "'s ", " \N{EM DASH} "])), max_size=12).map(
    lambda parts: "".join(part + mark for part, mark in parts).strip()
)


@given(TEXTS | st.text(max_size=60))
def test_no_swear_word_is_left_and_nothing_else_changes(text: str) -> None:
    """Masked: every other character stands where it stood. Removed: what is left stands in its order. Twice is once."""
    phrase = said(text)
    with_mask, without = masked(phrase), removed(phrase)
    assert len(with_mask.text) == len(text)
    assert all(after in ("*", before) for before, after in zip(text, with_mask.text, strict=True))
    for changed in (with_mask, without):
        assert not any(map(is_swear_word, changed.text.split()))
        assert not any(is_swear_word(word.text) for word in changed.words)
    assert masked(with_mask) == with_mask
    assert removed(without) == without
    assert {word.start_ms for word in without.words} <= {word.start_ms for word in phrase.words}
    assert all(before.start_ms < after.start_ms for before, after in pairwise(without.words))


def script(_: object) -> str:
    return "oh shit it broke"


LANGUAGES = frozenset({"en", "de"})


class SwearingCallEngine(ScriptedCallEngine):
    def __init__(self) -> None:
        super().__init__()
        self._scripted = ScriptedEngine(script, languages=LANGUAGES)


@pytest.fixture(params=[ScriptedEngine(script, languages=LANGUAGES), SwearingCallEngine()], ids=["utterances", "call"])
async def bed(request: pytest.FixtureRequest) -> AsyncIterator[Bed]:
    """A handler with an engine of each kind."""
    made = Bed()
    engine: UtteranceEngine | CallEngine = request.param
    made.engines = Engines([engine])
    if isinstance(engine, ScriptedEngine):
        made.decoder.engine = engine
    made.handler = made.another()
    await made.handler.open(PARTITION)
    yield made
    await made.handler.close(PARTITION)


@pytest.mark.parametrize(
    ("asked", "text"),
    [
        (Profanity.AS_SPOKEN, "oh shit it broke"),
        (Profanity.MASKED, "oh **** it broke"),
        (Profanity.REMOVED, "oh it broke"),
    ],
)
async def test_a_live_call_has_what_it_asked_for(bed: Bed, asked: Profanity, text: str) -> None:
    """In its phrases, their words and its hypotheses, whoever has it."""
    call = CallWriter(recognition=RecognitionDetails(profanity=asked))
    call.start()
    call.say(call_audio()[:, : 16_000 * 12])
    call.end()
    half = len(call.log) // 2
    for entry in call.log[:half]:
        await bed.handler.handle(message(entry))
        for _ in range(10):
            await asyncio.sleep(0)
    begin = await bed.hand_over()
    await bed.play([entry for entry in call.log if entry.offset >= begin])
    await bed.until(TranscriptCompleted)
    phrases = [phrase for phrase in bed.topics.of(Phrase) if isinstance(phrase, Phrase)]
    assert {phrase.text for phrase in phrases} == {text}
    assert {" ".join(word.text for word in phrase.words) for phrase in phrases} == {text}
    hypotheses = [hypothesis for hypothesis in bed.topics.of(Hypothesis) if isinstance(hypothesis, Hypothesis)]
    assert {hypothesis.text for hypothesis in hypotheses} <= {text}
    assert all(text.startswith(hypothesis.stable_text) for hypothesis in hypotheses)
    assert hypotheses or not isinstance(bed.engines.choose(RecognitionOptions(locale="en-US")), CallEngine)


@pytest.mark.parametrize("asked", [Profanity.MASKED, Profanity.REMOVED])
@pytest.mark.parametrize(
    ("languages", "reason"),
    [
        ({"locale": "de-DE"}, "in English only, and the language is de-DE"),
        ({"locale": "", "candidate_locales": ("en-US", "fr-FR")}, "the language is en-US, fr-FR"),
        ({"locale": ""}, "the language is not given"),
    ],
)
def test_it_is_refused_in_other_languages(asked: Profanity, languages: dict[str, object], reason: str) -> None:
    """There is no list of words for them."""
    engines = Engines([ScriptedEngine(languages=frozenset({"en", "de", "fr"}))])
    with pytest.raises(Unsupported, match=reason):
        engines.choose(RecognitionOptions.model_validate({**languages, "profanity": asked}))
    engines.choose(RecognitionOptions(locale="en-IE", profanity=asked))


def test_a_choice_of_a_later_version_is_refused() -> None:
    """What it wants is not known."""
    with pytest.raises(Unsupported, match="does not know what is to be written"):
        Engines([ScriptedEngine()]).choose(RecognitionOptions(locale="en-US", profanity=Profanity.UNKNOWN))


@pytest.mark.parametrize("bed", [SwearingCallEngine()], indirect=True)
async def test_a_call_that_changes_to_another_language_fails(bed: Bed) -> None:
    """With a call engine too, rather than publish what nobody has masked; what was said before is out."""
    call = CallWriter(recognition=RecognitionDetails(profanity=Profanity.MASKED))
    call.start()
    call.say(call_audio()[:, : 16_000 * 6])
    await bed.play(call.log)
    await bed.until(Phrase)
    call.log = call.log[:0]
    call.write(CallUpdated(call_id=call.call_id, locale="de-DE", updated_at=BEGAN))
    call.say(call_audio()[:, 16_000 * 6 : 16_000 * 12])
    call.end()
    await bed.play(call.log)
    await bed.until(TranscriptFailed)
    (failed,) = bed.topics.of(TranscriptFailed)
    assert isinstance(failed, TranscriptFailed)
    assert (failed.error, "in English only" in failed.reason) == ("unsupported_option", True)
