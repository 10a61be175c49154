"""Cursors of pages."""

from base64 import urlsafe_b64encode
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steno.paging import Position, decode, encode

MOMENTS = st.datetimes(min_value=datetime(1971, 1, 1), max_value=datetime(9998, 1, 1), timezones=st.just(UTC))
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=256)


@given(MOMENTS, TEXTS)
def test_a_cursor_comes_back_as_it_was(at: datetime, identifier: str) -> None:
    """And fits into a URL as it is."""
    position = Position(at=at, id=identifier)
    cursor = encode(position)
    assert cursor.replace("-", "").replace("_", "").isalnum()
    assert decode(cursor) == position


@given(st.text() | st.binary().map(lambda data: urlsafe_b64encode(data).decode().rstrip("=")))
def test_what_is_no_cursor_is_refused(text: str) -> None:
    """Anything either is a cursor or is refused with what to do; nothing else happens."""
    refusal = ""
    try:
        position = decode(text)
    except ValueError as error:
        refusal = str(error)
    else:
        assert decode(encode(position)) == position
    assert refusal == "" or "`next`" in refusal


def test_a_cursor_with_a_lone_surrogate_is_refused() -> None:
    """JSON may have one, and no database takes it."""
    with pytest.raises(ValueError, match="`next`"):
        decode(urlsafe_b64encode(b'[0, "\\ud800"]').decode())
