"""Which language an utterance of a live call is in, when that changes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from steno_transcriber.live.call import LiveCall, first_checkpoint
from steno_transcriber.live.languages import BORDER_MS, Languages
from steno_transcriber.speech import SAMPLES_PER_MS
from support.live_calls import BEGAN, CallWriter, Heard
from support.speech import call_audio

from steno.events.records import CallStarted, CallUpdated

CHANGES = st.lists(st.tuples(st.integers(0, 500), st.sampled_from(["en", "de", "fr"])), max_size=12)


def voice(milliseconds: int) -> Heard:
    """Somebody speaks on the first channel."""
    return call_audio()[:, 600 * SAMPLES_PER_MS : (600 + milliseconds) * SAMPLES_PER_MS]


def silence(milliseconds: int) -> Heard:
    """Nobody speaks."""
    return np.zeros((2, milliseconds * SAMPLES_PER_MS), dtype=np.float32)


def spoken(*parts: Heard | str) -> list[tuple[int, str]]:
    """Where the utterances of a call begin, and their languages; a text is a change of it."""
    call = CallWriter()
    call.start()
    for part in parts:
        if isinstance(part, str):
            call.write(CallUpdated(call_id=call.call_id, locale=part, updated_at=BEGAN))
        else:
            call.say(part)
    call.end()
    started = call.log[0].record
    assert isinstance(started, CallStarted)
    live = LiveCall(first_checkpoint(started, call.log[0].offset, written_at=BEGAN))
    found = [
        each for entry in call.log for each in live.add_record(entry.record, offset=entry.offset, written_at=entry.written_at)
    ]
    return [(each.utterance.start_ms, each.options.locale) for each in found]


def test_what_is_being_said_when_the_language_changes_ends_in_its_own() -> None:
    """Told in the midst of an utterance it holds from the next one on; told in silence, for what begins then."""
    before, after = spoken(voice(1500), "de-DE", voice(1500), silence(2000), voice(1500))
    assert (before[1], after[1]) == ("en-US", "de-DE")
    assert 4000 < after[0] < 6000
    first, second, third = spoken(
        voice(1500), silence(1500), "de-DE", silence(500), voice(1500), silence(2000), "en-GB", voice(1500)
    )
    assert [first[1], second[1], third[1]] == ["en-US", "de-DE", "en-GB"]


def test_the_language_that_is_told_first_holds_from_the_start() -> None:
    """A change before anything was said."""
    assert [locale for _, locale in spoken("fr-FR", "de-DE", voice(1500), silence(2000), "en-US")] == ["de-DE"]


@given(CHANGES, st.integers(0, 500))
def test_the_last_change_before_something_begins_is_its_language(changes: list[tuple[int, str]], start: int) -> None:
    """Whatever was forgotten of what nobody asks for any more."""
    languages = Languages("it")
    expected = "it"
    for at, locale in sorted(changes, key=lambda change: change[0]):
        languages.change(locale, at_ms=at)
        expected = locale if at <= start + BORDER_MS else expected
    assert languages.of(start) == expected
    languages.forget(start)
    assert languages.of(start) == expected


@pytest.mark.parametrize("told", [["de"] * 1000, ["de", "en"] * 500])
def test_changes_without_audio_in_between_are_one(told: list[str]) -> None:
    """A publisher that repeats itself costs no memory."""
    languages = Languages("en")
    for locale in told:
        languages.change(locale, at_ms=500)
    assert len(languages._since) <= 2
    assert languages.of(500) == told[-1]
