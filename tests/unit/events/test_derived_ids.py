"""Ids of derived records: the same for the same thing, in every version of Steno."""

from hypothesis import given
from hypothesis import strategies as st

from steno.events import ids
from steno.events.records import RecordingSubmitted

CALLS = st.text(max_size=12)


def test_ids_never_change() -> None:
    """A replay by a later version writes the ids that an earlier one wrote."""
    assert ids.recording_id("call-1", "https://e/a.wav") == "74f9f5f5-0b21-5abe-a4da-81bb28d8312f"
    assert ids.recording_id("call-1", "https://e/a.wav", "slin") != ids.recording_id("call-1", "https://e/a.wav")
    assert ids.phrase_id("call-1", "r", 0, 1500) == "fba10eed-74be-534e-b9bc-e5f3cbbbe2b2"
    assert ids.insight_id("p") == "c48724bf-1a8a-5f04-b728-e13faec242c3"
    assert ids.summary_id("call-1", "r") == "9f8b046c-a58e-56dc-9f7e-0b038ba531e3"
    assert ids.event_id("transcript.completed", "r") == "44d1bbd6-b495-5145-b2a2-150930b06915"


@given(st.tuples(CALLS, CALLS), st.tuples(CALLS, CALLS))
def test_different_things_have_different_ids(one: tuple[str, str], other: tuple[str, str]) -> None:
    """Parts that read the same end to end are still told apart."""
    assert (ids.recording_id(*one) == ids.recording_id(*other)) == (one == other)
    assert ids.recording_id(*one) != ids.summary_id(*one)


def test_parts_do_not_run_together() -> None:
    """The border between two parts counts, whatever they hold."""
    assert ids.recording_id("ab", "c") != ids.recording_id("a", "bc")
    assert ids.recording_id("a|1:b", "c") != ids.recording_id("a", "b|1:c")


def test_a_recording_keeps_the_id_of_its_publisher() -> None:
    """Where its publisher gave none it is derived from the audio's digest, where that is known, otherwise from its URL."""
    by_url = RecordingSubmitted(call_id="call-1", url="https://e/a.wav", format="slin")
    by_digest = by_url.model_copy(update={"sha256": "ab" * 32})
    assert ids.recording_id_of(by_url.model_copy(update={"recording_id": "r"})) == "r"
    assert ids.recording_id_of(by_url) == ids.recording_id("call-1", "https://e/a.wav", "slin")
    assert ids.recording_id_of(by_digest) == ids.recording_id("call-1", "ab" * 32, "slin")


def test_the_live_pass_is_told_by_its_id() -> None:
    """Of its own call, and of no other."""
    assert ids.is_live_pass("call-1", ids.live_pass_id("call-1"))
    assert not ids.is_live_pass("call-2", ids.live_pass_id("call-1"))
