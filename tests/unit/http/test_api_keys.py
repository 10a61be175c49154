"""API keys open doors, and nothing else does."""

import hashlib
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from steno.cli.key_store import add_key
from steno.http.auth import ApiKeys, key_line, presented_key, read_api_key
from steno.key_file import parse_keys
from steno.secret_file import SecretFileUnreadable, lines_of
from steno.tenants import Caller

NOW = datetime(2026, 11, 29, tzinfo=UTC)


def name_of(keys: ApiKeys, key: str) -> str | None:
    caller = keys.verify(key)
    return None if caller is None else caller.name


def digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


def written(path: Path, text: str | bytes) -> ApiKeys:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return ApiKeys(path, clock=lambda: NOW)


def test_no_file_opens_no_door() -> None:
    """No key is accepted by default."""
    assert ApiKeys(None).verify("") is None


def test_a_key_is_known_by_its_name(tmp_path: Path) -> None:
    """The key that was added opens the door under its name."""
    key = add_key(tmp_path / "keys", "crm")
    assert name_of(ApiKeys(tmp_path / "keys"), key) == "crm"


def test_the_file_does_not_hold_the_key(tmp_path: Path) -> None:
    """At rest there is only a digest."""
    key = add_key(tmp_path / "keys", "crm")
    assert key not in (tmp_path / "keys").read_text()


def test_a_key_added_later_opens_at_once(tmp_path: Path) -> None:
    """Nobody restarts a service to let someone in."""
    keys = ApiKeys(tmp_path / "keys")
    assert keys.verify("steno_unknown") is None
    assert name_of(keys, add_key(tmp_path / "keys", "crm")) == "crm"


def test_a_removed_file_closes_the_door(tmp_path: Path) -> None:
    """What was open shuts."""
    key = add_key(tmp_path / "keys", "crm")
    keys = ApiKeys(tmp_path / "keys")
    assert name_of(keys, key) == "crm"
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


OPENS = [
    "bob {}",
    "bob\t{}  ",
    "  bob {}",
    "\ufeffbob {}",
    "bob {}\r\n",
    "# a note\n\nbob {}\n",
    "bob {} tenant=acme",
    "bob {} expires=2027-01-31T00:00:00Z",
    "bob {} expires=2027-01-31T01:00+01:00 tenant=acme",
    "bob {0}\nbob {0}",
    "büro {}",
]
STAYS_SHUT = [
    "#bob {}",
    "# bob {}",
    "  #bob {}",
    "\ufeff#bob {}",
    "\t# bob {}",
    "# note\u2028bob {}",
    "# note\x85bob {}",
    "# note\x0bbob {}",
    "# note\x0cbob {}",
    "# note\x1cbob {}",
    "# note\rbob {}",
    "//bob {}",
    ";bob {}",
    "-bob {}",
    "bob {} # until spring",
    "bob {} extra",
    "bob\u00a0{}",
    "bob\x00 {}",
    "* {}",
    "{}",
    "{0} bob",
    "bob {}0",
    "bob  tenant=acme {}",
    "bob tenant=acme {}",
    "bob {} tenant=",
    "bob {} tenant=#acme",
    "bob {} tenant=a tenant=b",
    "bob {} tenant=**",
    "bob {} role=reader",
    "bob {} Tenant=acme",
    "bob {} expires=never",
    "bob {} expires=2027-01-31",
    "bob {} expires=2027-01-31T00:00:00",
    "bob {} expires=9999-12-31T23:59:59-23:59",
    "bob {} expires=0001-01-01T00:00:00+23:59",
    "bob {} expires=2027-02-30T00:00:00Z",
    "bob {} expires=2026-11-29T00:00:00Z",
    "bob {} expires=2027-01-31T00:00:00Z expires=2028-01-31T00:00:00Z",
    "bob {0}\nalice {0}",
    "bob {0}\nbob {0} tenant=*",
    "bob {0}\nbob {0} expires=2020-01-01T00:00:00Z",
]


@pytest.mark.parametrize("line", OPENS)
def test_a_line_that_is_a_key_opens(tmp_path: Path, line: str) -> None:
    """Name and digest, with terms behind; spaces, line ends and a byte order mark do not matter."""
    assert written(tmp_path / "keys", line.format(digest("k"))).verify("k") is not None


@pytest.mark.parametrize("line", STAYS_SHUT)
def test_a_line_that_is_anything_else_opens_nothing(tmp_path: Path, line: str) -> None:
    """What is commented out, malformed, expired or disputed opens nothing, and costs no other line."""
    keys = written(tmp_path / "keys", f"first {digest('1')}\n{line.format(digest('k'))}\nlast {digest('2')}\n")
    assert keys.verify("k") is None
    assert [name_of(keys, "1"), name_of(keys, "2")] == ["first", "last"]


def test_an_upper_case_digest_is_the_same_digest(tmp_path: Path) -> None:
    """Hexadecimal digits have no case."""
    assert name_of(written(tmp_path / "keys", f"bob {digest('k').upper()}"), "k") == "bob"
    assert written(tmp_path / "keys", f"bob {digest('k').upper()}\nalice {digest('k')}").verify("k") is None


def test_a_malformed_line_is_told_by_its_number(tmp_path: Path) -> None:
    """The log says which line and why, once a change, and nothing of what stands there."""
    with capture_logs() as logs:
        keys = written(tmp_path / "keys", f"# fine\nhunter2 {digest('k')}x\n")
        keys.verify("k")
    assert [(entry["event"], entry["line"]) for entry in logs] == [("secret_file.line_ignored", 2)]
    assert "hunter2" not in str(logs)
    assert digest("k")[:8] not in str(logs)


def test_a_key_is_of_a_tenant(tmp_path: Path) -> None:
    """The one its line says, else one of its own name; with * it sees everything, and brings for no tenant."""
    keys = written(tmp_path / "keys", f"a {digest('1')}\nb {digest('2')} tenant=acme\nops {digest('3')} tenant=*\n")
    callers = [keys.verify(key) for key in "123"]
    assert [(caller.tenant, caller.everything) for caller in callers if caller] == [("a", False), ("acme", False), ("", True)]


def test_who_sees_what() -> None:
    """A tenant sees its own, an operator everything, and nobody else what belongs to none."""
    tenant, operator = Caller("a", "acme"), Caller("ops", everything=True)
    assert [tenant.sees(owner) for owner in ("acme", "other", "")] == [True, False, False]
    assert all(operator.sees(owner) for owner in ("acme", "other", ""))


def test_a_key_expires_by_the_clock(tmp_path: Path) -> None:
    """To the microsecond of its time it opens, and then no more; who came in with it is no longer held."""
    now = NOW
    (tmp_path / "keys").write_text(key_line("bob", "k", expires=NOW + timedelta(hours=1)))
    keys = ApiKeys(tmp_path / "keys", clock=lambda: now)
    now = NOW + timedelta(hours=1, microseconds=-1)
    caller = keys.verify("k")
    assert caller is not None
    assert keys.holds(caller)
    now = NOW + timedelta(hours=1)
    assert keys.verify("k") is None
    assert not keys.holds(caller)


@pytest.mark.parametrize(
    "after",
    [
        "",
        "#bob {}\n",
        "bob {} tenant=other\n",
        "ben {} tenant=bob\n",
        "bob {} tenant=*\n",
        "bob {} expires=2020-01-01T00:00:00Z",
    ],
)
def test_a_caller_is_not_held_by_a_key_that_changed(tmp_path: Path, after: str) -> None:
    """Removed, expired or another's: whoever came in with a key is let go of."""
    keys = written(tmp_path / "keys", f"bob {digest('k')}\n")
    caller = keys.verify("k")
    assert caller is not None
    assert keys.holds(caller)
    (tmp_path / "keys").write_text(after.format(digest("k")))
    assert not keys.holds(caller)


def test_a_caller_is_held_by_its_own_key_only(tmp_path: Path) -> None:
    """Of two keys of one name, removing one lets go of those who brought it, and of nobody else."""
    keys = written(tmp_path / "keys", f"bob {digest('old')}\nbob {digest('new')}\n")
    old, new = keys.verify("old"), keys.verify("new")
    assert old is not None
    assert new is not None
    (tmp_path / "keys").write_text(f"bob {digest('new')}\n")
    assert (keys.holds(old), keys.holds(new)) == (False, True)


def test_a_change_within_one_tick_of_the_clock_is_seen(tmp_path: Path) -> None:
    """A file that has the same size and time as before is read again while it is fresh."""
    keys = written(tmp_path / "keys", f"bob {digest('1')}\n")
    status = (tmp_path / "keys").stat()
    for number in ("2", "3", "4"):
        (tmp_path / "keys").write_text(f"bob {digest(number)}\n")
        os.utime(tmp_path / "keys", ns=(status.st_atime_ns, status.st_mtime_ns))
        assert name_of(keys, number) == "bob"


def test_a_replaced_link_is_seen(tmp_path: Path) -> None:
    """As Kubernetes does it: the file is a link through a link, and that one is renamed over."""
    for version, key in (("v1", "1"), ("v2", "2")):
        (tmp_path / version).mkdir()
        (tmp_path / version / "keys").write_text(f"bob {digest(key)}\n")
        os.utime(tmp_path / version / "keys", ns=(1, 1))
    (tmp_path / "data").symlink_to("v1")
    (tmp_path / "keys").symlink_to("data/keys")
    keys = ApiKeys(tmp_path / "keys")
    assert name_of(keys, "1") == "bob"
    (tmp_path / "next").symlink_to("v2")
    (tmp_path / "next").rename(tmp_path / "data")
    assert (keys.verify("1"), name_of(keys, "2")) == (None, "bob")


def test_a_file_that_is_no_text_any_more_opens_nothing(tmp_path: Path) -> None:
    """Unreadable under a running service: nobody comes in until it can be read again."""
    keys = written(tmp_path / "keys", f"bob {digest('k')}\n")
    (tmp_path / "keys").write_bytes(b"\xff\xfeb\x00")
    assert keys.verify("k") is None
    (tmp_path / "keys").write_text(f"bob {digest('k')}\n")
    assert name_of(keys, "k") == "bob"


@given(text=st.text(max_size=300))
def test_no_text_breaks_the_reading_of_keys(text: str) -> None:
    """Whatever stands in the file, reading it raises nothing, and no key it finds came from a comment."""
    keys, faults = parse_keys(lines_of(text), read_api_key)
    lines = text.split("\n")
    assert all(not lines[key.line - 1].lstrip("\ufeff \t").startswith("#") for key in keys.values())
    assert all(1 <= fault.line <= len(lines) for fault in faults)


@given(key=st.text(alphabet=st.characters(exclude_categories=()), max_size=50))
def test_no_key_breaks_the_check(key: str) -> None:
    """Also what is no text, such as half a surrogate pair, is just not a key."""
    assert ApiKeys(None).verify(key) is None
