"""Signed links to single objects."""

from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steno.secret_file import lines_of
from steno.storage import links

NOW = datetime(2026, 3, 1, tzinfo=UTC)
SECRET, OTHER = "s" * 32, "t" * 32


def opens(link: str, *, secrets: tuple[str, ...] = (SECRET,), now: datetime = NOW, key: str | None = None) -> bool:
    parts = urlsplit(link)
    query = {name: values[0] for name, values in parse_qs(parts.query).items()}
    asked = unquote(parts.path.partition(links.FOLDER)[2]) if key is None else key
    return links.is_valid(asked, expires=query["expires"], signature=query["signature"], secrets=secrets, now=now)


def made(key: str, *, hours: float = 1) -> str:
    return links.make_link("https://steno.example/in/", key, secret=SECRET, expires=NOW + timedelta(hours=hours))


@given(st.text(min_size=1), st.text(min_size=1))
def test_a_link_opens_its_object_and_no_other(key: str, other: str) -> None:
    """Whatever characters a key has."""
    try:
        link = made(key)
    except UnicodeEncodeError:  # half a surrogate pair is in no key
        return
    assert opens(link, key=key)
    assert other == key or not opens(link, key=other)


def test_a_link_is_below_the_url_of_the_service() -> None:
    """Also where a proxy has it in a folder."""
    assert made("recordings/a b/audio.wav").startswith("https://steno.example/in/signed/recordings/a%20b/audio.wav?expires=")


def test_a_link_ends() -> None:
    """At its moment, which cannot be moved."""
    link = made("recordings/a")
    assert not opens(link, now=NOW + timedelta(hours=1))
    later = str(int((NOW + timedelta(hours=2)).timestamp()))
    assert not opens(link.replace(str(int((NOW + timedelta(hours=1)).timestamp())), later))


def test_a_link_for_ever_is_none() -> None:
    """Not even one that was signed so."""
    assert not opens(made("recordings/a", hours=24 * 32))


def test_links_of_the_old_secret_open_while_it_is_kept() -> None:
    """Secrets rotate: the new one signs, both are accepted."""
    link = made("recordings/a")
    assert opens(link, secrets=(OTHER, SECRET))
    assert not opens(link, secrets=(OTHER,))
    assert not opens(link, secrets=())


@pytest.mark.parametrize("expires", ["", "x", "-1", "1e9", "9" * 12, "²"])
def test_an_expiry_that_is_no_moment_opens_nothing(expires: str) -> None:
    """Nor does it fail."""
    assert not links.is_valid("a", expires=expires, signature="0" * 64, secrets=(SECRET,), now=NOW)


def test_a_short_secret_is_none() -> None:
    """It could be guessed."""
    secrets, faults = links.parse_secrets(lines_of(f"short\n{SECRET}\n"))
    assert (secrets, [fault.line for fault in faults]) == ((SECRET,), [1])
