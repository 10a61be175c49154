"""The headers of a dead letter, whoever wrote them."""

from typing import Any

import pytest
from aiokafka import ConsumerRecord
from hypothesis import given
from hypothesis import strategies as st

from steno.kafka.letters import letter_of, parse_id

NAMES = ["origin-topic", "origin-partition", "origin-offset", "error-class", "error-message", "attempts", "service", "redrives"]


def raw(headers: list[tuple[str, bytes | None]], *, timestamp: int = 1_000) -> Any:
    """A message of the topic of dead letters."""
    return ConsumerRecord("steno.dead-letters", 3, 17, timestamp, 0, b"k", b"v", None, 0, 0, tuple(headers))


def test_a_letter_has_what_its_headers_say_and_the_headers_of_its_origin() -> None:
    """Those that Steno added are not among the latter."""
    text = ["steno.recordings", "1", "99", "undecodable", "why", "2", "ingest", "4"]
    letter = letter_of(
        raw([("traceparent", b"t"), *((f"steno-{name}", value.encode()) for name, value in zip(NAMES, text, strict=True))])
    )
    assert (letter.id, letter.origin_topic, letter.origin_partition, letter.origin_offset) == (
        "3:17",
        "steno.recordings",
        1,
        99,
    )
    assert (letter.error_class, letter.error_message, letter.attempts) == ("undecodable", "why", 2)
    assert (letter.service, letter.redrives, letter.headers) == ("ingest", 4, [("traceparent", b"t")])


@given(st.lists(st.tuples(st.sampled_from([f"steno-{name}" for name in NAMES]) | st.text(), st.none() | st.binary())))
def test_any_headers_make_a_letter(headers: list[tuple[str, bytes | None]]) -> None:
    """Values that are not valid are as if they were not there."""
    letter = letter_of(raw(headers))
    assert letter.attempts >= 0
    assert all(not name.startswith("steno-") for name, _ in letter.headers)


@given(st.integers(0, 10**9), st.integers(0, 10**17))
def test_an_id_names_partition_and_offset(partition: int, offset: int) -> None:
    """As `Letter.id` writes it."""
    assert parse_id(f"{partition}:{offset}") == (partition, offset)


@pytest.mark.parametrize("text", ["", "3", "3:", ":3", "a:b", "3:-1", "3:4:5", "٣:1", "1" * 30 + ":1"])
def test_what_is_no_id_is_refused(text: str) -> None:
    """With how one is written."""
    with pytest.raises(ValueError, match="PARTITION:OFFSET"):
        parse_id(text)


@given(st.integers(-(2**63), 2**63 - 1))
def test_a_letter_has_a_time_whatever_its_publisher_said(timestamp: int) -> None:
    """Kafka takes any number for one; the next time that there is stands for it."""
    assert 1970 <= letter_of(raw([], timestamp=timestamp)).at.year <= 9999
