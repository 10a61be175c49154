"""API keys open doors, and nothing else does."""

from pathlib import Path

import pytest

from steno.cli.keys import add_key
from steno.http.auth import ApiKeys, key_line, presented_key
from steno.secret_file import SecretFileUnreadable


def test_no_file_opens_no_door() -> None:
    """No key is accepted by default."""
    assert ApiKeys(None).verify("") is None


def test_a_key_is_known_by_its_name(tmp_path: Path) -> None:
    """The key that was added opens the door under its name."""
    key = add_key(tmp_path / "keys", "crm")
    assert ApiKeys(tmp_path / "keys").verify(key) == "crm"


def test_the_file_does_not_hold_the_key(tmp_path: Path) -> None:
    """At rest there is only a digest."""
    key = add_key(tmp_path / "keys", "crm")
    assert key not in (tmp_path / "keys").read_text()


def test_a_key_added_later_opens_at_once(tmp_path: Path) -> None:
    """Nobody restarts a service to let someone in."""
    keys = ApiKeys(tmp_path / "keys")
    assert keys.verify("steno_unknown") is None
    assert keys.verify(add_key(tmp_path / "keys", "crm")) == "crm"


def test_a_removed_file_closes_the_door(tmp_path: Path) -> None:
    """What was open shuts."""
    key = add_key(tmp_path / "keys", "crm")
    keys = ApiKeys(tmp_path / "keys")
    assert keys.verify(key) == "crm"
    (tmp_path / "keys").unlink()
    assert keys.verify(key) is None


def test_a_file_that_cannot_be_read_is_told_at_start(tmp_path: Path) -> None:
    """A service that could let nobody in does not start."""
    (tmp_path / "keys").mkdir()
    with pytest.raises(SecretFileUnreadable, match="cannot be read"):
        ApiKeys(tmp_path / "keys")


@pytest.mark.parametrize("name", ["", "two words", "tab\tbed", "line\nbreak"])
def test_a_name_that_would_break_the_file_is_refused(name: str) -> None:
    """A key's name is one word."""
    with pytest.raises(ValueError, match="one word"):
        key_line(name, "k")


@pytest.mark.parametrize(
    ("headers", "key"),
    [
        ({"authorization": "Bearer abc"}, "abc"),
        ({"authorization": "bearer abc"}, "abc"),
        ({"x-api-key": "abc"}, "abc"),
        ({"authorization": "Basic abc"}, None),
        ({"authorization": "Basic abc", "x-api-key": "abc"}, None),
        ({}, None),
    ],
)
def test_where_a_request_carries_its_key(headers: dict[str, str], key: str | None) -> None:
    """Authorization: Bearer, or X-Api-Key."""
    assert presented_key(headers) == key
