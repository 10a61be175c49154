"""The one rule about how much is kept of what a publisher says of its call."""

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from support.calls import AT, CALL, CHANNELS, call_started

from steno.events.fields import LONGEST_TEXT
from steno.events.properties import (
    LONGEST_NAME,
    LONGEST_VALUE,
    MOST_BYTES,
    MOST_PROPERTIES,
    PropertiesTooLarge,
    fault_of,
    merged,
    within_bounds,
)
from steno.events.records import CallEnded, CallUpdated, RecordingSubmitted

TOO_MUCH: list[tuple[dict[str, str], str]] = [
    ({f"p{number}": "" for number in range(MOST_PROPERTIES + 1)}, "65 properties; 64 are kept"),
    ({"n" * (LONGEST_NAME + 1): ""}, "a name of 129 characters"),
    ({"p": "v" * (LONGEST_VALUE + 1)}, "'p' has 2049 characters"),
    ({f"p{number}": "v" * 2000 for number in range(17)}, "bytes together; 32768 are kept"),
    ({f"p{number}": "\N{PILE OF POO}" * 2000 for number in range(5)}, "bytes together"),
]

Any = st.dictionaries(st.text(max_size=140), st.text(max_size=30) | st.just("v" * 2048) | st.just("v" * 2049), max_size=70)


@pytest.mark.parametrize(("properties", "fault"), TOO_MUCH)
def test_what_is_too_much_is_named(properties: dict[str, str], fault: str) -> None:
    """Too many, a name or value too long, too many bytes together: by every record that brings properties from outside."""
    assert fault in str(fault_of(properties))
    for bring in (
        lambda: call_started(properties=properties),
        lambda: CallUpdated(call_id=CALL, properties=properties, updated_at=AT),
        lambda: RecordingSubmitted(call_id=CALL, url="https://a.example/a.wav", properties=properties),
    ):
        with pytest.raises(ValidationError, match="properties"):
            bring()


@given(st.lists(Any, max_size=8))
def test_no_run_of_updates_outgrows_the_bounds(updates: list[Mapping[str, str]]) -> None:
    """What is known of a call stays within them; an update that would pass them changes nothing."""
    known: dict[str, str] = {}
    for update in updates:
        try:
            after = merged(known, update)
        except PropertiesTooLarge:
            assert fault_of({**known, **update}) is not None
            continue
        assert after == {**known, **update}
        known = after
        assert fault_of(known) is None
        assert sum(len(name.encode()) + len(value.encode()) for name, value in known.items()) <= MOST_BYTES


@given(Any)
def test_what_was_kept_before_there_were_bounds_is_cut_to_them(properties: dict[str, str]) -> None:
    """Rows of earlier versions may have more: as many as fit are told, in their order."""
    kept = within_bounds(properties)
    assert fault_of(kept) is None
    assert kept.items() <= properties.items()
    assert kept == properties or fault_of(properties) is not None


def test_texts_for_people_are_cut_and_never_refused() -> None:
    """A reason of a megabyte costs the end of the reason, not the end of the call."""
    ended = CallEnded(call_id=CALL, position=0, complete=True, reason="r" * 1_000_000, error="e" * LONGEST_TEXT, ended_at=AT)
    assert (len(ended.reason), ended.reason[-1], ended.error) == (LONGEST_TEXT, "…", "e" * LONGEST_TEXT)
    long = CHANNELS[0].model_copy(update={"participant": "p" * 5000}).model_dump()
    assert len(call_started(channels=[long]).channels[0].participant) == LONGEST_TEXT
