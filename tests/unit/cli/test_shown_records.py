"""Records are shown with every field, and audio as its length."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steno.cli.shown_records import field_at, fields_of, has_value, hex_dump, shown_fields, shown_key
from steno.cli.times import parse_moment
from steno.events.records import AudioChunk, CallChannel, CallStarted, Record, Role

NOW = datetime(2026, 12, 1, 12, tzinfo=UTC)
STARTED = CallStarted(
    call_id="c",
    codec="PCMU",
    sample_rate=8000,
    channels=(CallChannel(channel=0, role=Role.AGENT, participant="Ann Lee"),),
    started_at=NOW,
)


@pytest.mark.parametrize("record", [STARTED, AudioChunk(call_id="c", sequence=1, position=800, audio=b"\xff" * 160)])
def test_fields_are_values_of_json(record: Record) -> None:
    """Every field, with times, names of enumerations, and bytes by their number."""
    fields = fields_of(record)
    assert list(fields) == list(type(record).model_fields)
    assert json.loads(json.dumps(fields)) == fields
    assert fields.get("audio", {"bytes": 160}) == {"bytes": 160}


def test_a_line_leaves_out_what_is_empty_and_cuts_what_is_long() -> None:
    """Text with spaces is quoted, and audio is a length."""
    line = shown_fields(
        {"text": "a b", "role": "agent", "none": None, "empty": "", "audio": {"bytes": 3}, "words": [{}] * 3, "long": "x" * 300}
    )
    assert line.startswith('text="a b" role=agent audio=<3 bytes> words=<3 entries> long=xxx')
    assert len(line) < 270


@pytest.mark.parametrize(
    ("path", "value", "found"),
    [
        ("codec", "PCMU", True),
        ("sample_rate", "8000", True),
        ("sample_rate", "800", False),
        ("channels.0.role", "agent", True),
        ("channels.1.role", "agent", False),
        ("channels.x", "agent", False),
        ("nothing", "", False),
        ("tenant", "", True),
    ],
)
def test_a_field_is_found_by_its_path(path: str, value: str, *, found: bool) -> None:
    """In records and lists within a record; numbers are compared as they are written."""
    assert has_value(fields_of(STARTED), path, value) is found


@given(st.dictionaries(st.text(), st.lists(st.integers())), st.text())
def test_any_path_is_there_or_not(fields: dict[str, Any], path: str) -> None:
    """Whatever is asked for."""
    there, found = field_at(fields, path)
    assert there or found is None


@given(st.binary(max_size=2000))
def test_a_dump_has_every_byte_up_to_its_bound(data: bytes) -> None:
    """And says how many it leaves out."""
    *rows, last = [*hex_dump(data), ""]
    dumped = bytes.fromhex("".join(row[10:57] for row in rows if row.startswith("0000")))
    assert dumped == data[:512]
    assert any(f"{len(data) - 512} bytes more" in row for row in rows) == (len(data) > 512)
    assert last == ""


@given(st.none() | st.binary())
def test_any_key_is_text(key: bytes | None) -> None:
    """Bytes that are not UTF-8 are escaped."""
    assert shown_key(key).encode() or not key


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-12-01", NOW.replace(hour=0)),
        ("2026-12-01T13:00:00+01:00", NOW),
        ("2026-12-01T12:00:00Z", NOW),
        ("-90m", NOW.replace(hour=10, minute=30)),
        ("-1d", NOW.replace(month=11, day=30)),
    ],
)
def test_a_time_is_absolute_or_before_now(text: str, moment: datetime) -> None:
    """Without a zone it is UTC."""
    assert parse_moment(text, now=NOW) == moment


@given(st.text())
def test_what_is_no_time_is_refused(text: str) -> None:
    """With what would be one, whatever it is."""
    try:
        assert parse_moment(text, now=NOW).tzinfo is UTC
    except ValueError as error:
        assert "is not a time; write 2027-01-31" in str(error)  # noqa: PT017 - either outcome is right
