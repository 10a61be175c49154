"""What an AudioHook client says, read."""

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from steno_ingest.calls.doors.audiohook_messages import (
    BadMessage,
    duration_of,
    locale_of,
    parse_message,
    samples_of,
)

from steno.cli.clients.audiohook_client import duration

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)
MESSAGE = {
    "version": "2",
    "id": "30b0e395-84d3-4570-ac13-9a62d8f514c0",
    "type": "ping",
    "seq": 1,
    "serverseq": 0,
    "position": "PT0S",
    "parameters": {},
}


@given(text=st.text(max_size=300) | JSON.map(json.dumps))
def test_any_text_is_a_message_or_an_error_with_a_reason(text: str) -> None:
    """Nothing that comes makes anything fail but the message itself."""
    with pytest.raises(BadMessage, match=r"\S"):
        parse_message(text)


@given(
    kind=st.sampled_from(["open", "close", "discarded", "resumed", "update", "error", "dtmf", "ping", "paused"]),
    parameters=st.dictionaries(
        st.sampled_from(["reason", "start", "discarded", "language", "code", "digit", "media", "participant"]), JSON
    ),
)
def test_any_parameters_are_those_of_their_type_or_an_error(kind: str, parameters: object) -> None:
    """A known message with parameters of any shape is taken or refused."""
    with suppress(BadMessage):
        assert parse_message(json.dumps(MESSAGE | {"type": kind, "parameters": parameters})).type == kind


@given(samples=st.integers(min_value=0, max_value=8000 * 86400 * 30))
def test_positions_come_through_exactly(samples: int) -> None:
    """A position that a client writes is the same sample when it is read."""
    assert samples_of(duration(samples)) == samples


@given(milliseconds=st.integers(min_value=0, max_value=86_400_000))
def test_times_go_out_exactly(milliseconds: int) -> None:
    """A time that is told is the same when it is read, to the millisecond."""
    assert samples_of(duration_of(milliseconds)) == milliseconds * 8


@pytest.mark.parametrize(
    ("text", "samples"),
    [
        ("PT0S", 0),
        ("PT.5S", 4000),
        ("PT1.000000001S", 8000),
        ("PT0.30000000000000004S", 2400),
        ("PT1." + "3" * 60_000 + "S", 10_667),
        ("PT0.2S", 1600),
        ("PT3600S", 28_800_000),
    ],
    ids=["nothing", "no whole", "a nanosecond", "a sum of floats", "a message full", "a frame", "an hour"],
)
def test_every_form_of_a_duration_is_read(text: str, samples: int) -> None:
    """With and without a fraction, and rounded to the sample."""
    assert samples_of(text) == samples


@pytest.mark.parametrize("text", ["", "1", "PTS", "PT1M", "PT-1S", "PT1.S", "P1D", "pt1s", "PT1e3S", "PT1234567890S", 1, None])
def test_what_is_no_duration_is_an_error(text: object) -> None:
    """Only seconds in decimals are taken."""
    with pytest.raises(ValueError, match="duration"):
        samples_of(text)


@pytest.mark.parametrize(
    ("language", "locale"),
    [("en-us", "en-US"), ("EN-us", "en-US"), ("es-419", "es-419"), ("de", "de"), ("zh-Hans-cn", "zh-Hans-CN")],
)
def test_languages_are_written_as_locales(language: str, locale: str) -> None:
    """Language in lower case, region in upper case."""
    assert locale_of(language) == locale
