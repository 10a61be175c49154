"""Keys are made, listed and revoked in a file that services read meanwhile."""

import json
import os
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from steno.cli.__main__ import app
from steno.cli.key_store import add_key, grant_all_tenants, read_keys, revoke
from steno.cli.keys import parse_expiry
from steno.cli.suite import Suite
from steno.http.auth import ApiKeys, digest_of, key_line

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A key file that is not there yet."""
    return tmp_path / "keys"


def keys(*arguments: str) -> tuple[int, str]:
    """Runs `steno keys`: its status, and all that it prints."""
    result = CliRunner(env={"COLUMNS": "200"}).invoke(app, ["keys", *arguments])
    return result.exit_code, result.output


def test_a_key_is_made_for_a_tenant_until_a_time(file: Path) -> None:
    """It is printed once, opens, and is listed with its terms, its digest in part."""
    status, printed = keys("add", "bob", "--file", str(file), "--tenant", "acme", "--expires", "90d")
    assert status == 0
    caller = ApiKeys(file).verify(printed.strip())
    assert caller is not None
    assert (caller.name, caller.tenant, caller.everything) == ("bob", "acme", False)
    status, shown = keys("list", "--file", str(file))
    assert status == 0
    assert all(text in shown for text in ("bob", "acme", caller.key[:8], " UTC"))
    assert caller.key[:9] not in shown
    assert printed.strip() not in shown


def test_the_file_is_private_whatever_it_was(file: Path) -> None:
    """0600, also where it was readable by all before, and nothing is left beside it but the lock."""
    file.write_text(key_line("old", "k"))
    file.chmod(0o644)
    add_key(file, "bob")
    assert file.stat().st_mode & 0o777 == 0o600
    revoke(file, "bob")
    assert file.stat().st_mode & 0o777 == 0o600
    assert sorted(path.name for path in file.parent.iterdir()) == [".keys.lock", "keys"]


def test_a_file_that_cannot_be_given_to_its_owner_stays_as_it_was(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The services that read it go on: a file of the operator's own in its place would be closed to them."""
    add_key(file, "bob")
    before = file.read_bytes()
    status = Path.stat

    def of_another(path: Path, **more: bool) -> os.stat_result:
        found = status(path, **more)
        return os.stat_result((*found[:4], found.st_uid + 1, *found[5:])) if path == file else found

    def refused(*_arguments: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(Path, "stat", of_another)
    monkeypatch.setattr(os, "chown", refused)
    monkeypatch.setattr(os, "fchown", refused)
    with pytest.raises(PermissionError):
        add_key(file, "eve")
    assert file.read_bytes() == before
    assert sorted(path.name for path in file.parent.iterdir()) == [".keys.lock", "keys"]


def test_a_file_for_a_group_stays_readable_to_it(file: Path) -> None:
    """Services that run as another user read it by their group."""
    add_key(file, "bob")
    file.chmod(0o640)
    add_key(file, "eve")
    assert file.stat().st_mode & 0o777 == 0o640


def test_a_revoked_name_opens_nothing_and_others_stay(file: Path) -> None:
    """All its keys go, of the other lines not a byte."""
    text = "# operators\r\n# was\rbob " + digest_of("k") + "\n" + key_line("ops", "o", tenant="*") + "\n#bob 1234\nnonsense\n"
    file.write_bytes(text.encode())
    mine = [add_key(file, "bob") for _ in range(2)]
    assert keys("revoke", "bob", "--file", str(file)) == (0, "removed 2 of bob\n")
    assert [ApiKeys(file).verify(key) for key in mine] == [None, None]
    assert file.read_bytes() == text.encode()


def test_a_revoked_key_does_not_open_under_another_name(file: Path) -> None:
    """A key of two names opened nothing; with one of them gone it would."""
    file.write_text(key_line("bob", "k") + key_line("alice", "k") + key_line("carol", "c"))
    assert keys("revoke", "bob", "--file", str(file)) == (0, "removed 2, of alice, bob\n")
    assert ApiKeys(file).verify("k") is None
    assert ApiKeys(file).verify("c") is not None


def test_a_name_that_has_no_key_is_told(file: Path) -> None:
    """Nothing is changed, and the status says so."""
    file.write_text(key_line("bob", "k"))
    status, said = keys("revoke", "bobby", "--file", str(file))
    assert status != 0
    assert "there is no key of bobby" in " ".join(said.split())
    assert file.read_text() == key_line("bob", "k")


def test_what_is_wrong_in_the_file_is_listed_by_line(file: Path) -> None:
    """With its number and why, without what stands there."""
    file.write_text(f"{key_line('bob', 'k')}# fine\nhunter2 secret\n")
    _, shown = keys("list", "--file", str(file))
    assert "line 3 is not valid" in shown
    assert "hunter2" not in shown


def test_an_expired_key_is_listed_as_expired(file: Path) -> None:
    """It stands in the file still."""
    file.write_text(key_line("bob", "k", expires=NOW - timedelta(days=900)))
    assert "expired" in keys("list", "--file", str(file))[1]


@pytest.mark.parametrize(
    "arguments",
    [("two words",), ("#bob",), ("*",), ("bob", "--tenant", "a b"), ("bob", "--tenant", "**"), ("bob", "--expires", "never")],
)
def test_what_cannot_stand_in_the_file_is_refused(file: Path, arguments: tuple[str, ...]) -> None:
    """And the file is as it was: not there."""
    status, _ = keys("add", *arguments, "--file", str(file))
    assert status != 0
    assert not file.exists()


def test_a_second_key_of_a_name_is_of_the_same_tenant(file: Path) -> None:
    """One replaces the other without the calls being somebody else's."""
    add_key(file, "bob", tenant="acme")
    caller = ApiKeys(file).verify(add_key(file, "bob"))
    assert caller is not None
    assert caller.tenant == "acme"


def test_a_key_is_added_behind_a_last_line_without_an_end(file: Path) -> None:
    """As editors leave it: both open."""
    file.write_text(key_line("bob", "k").rstrip("\n"))
    added = add_key(file, "alice")
    assert None not in (ApiKeys(file).verify("k"), ApiKeys(file).verify(added))


def test_keys_that_are_made_at_once_are_all_there(file: Path) -> None:
    """Whoever changes the file waits for the others."""
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda number: add_key(file, f"bob-{number}"), range(24)))
    assert {digest_of(key) for key in made} == set(read_keys(file.read_text())[0])


def test_a_linked_file_stays_linked(tmp_path: Path) -> None:
    """What it leads to is changed."""
    (tmp_path / "real").write_text("")
    (tmp_path / "keys").symlink_to("real")
    add_key(tmp_path / "keys", "bob")
    assert (tmp_path / "keys").is_symlink()
    assert "bob" in (tmp_path / "real").read_text()


@pytest.mark.parametrize(
    ("text", "when"),
    [
        ("90d", NOW + timedelta(days=90)),
        ("12h", NOW + timedelta(hours=12)),
        ("2027-01-31", datetime(2027, 1, 31, tzinfo=UTC)),
        ("2027-01-31T12:00:00+02:00", datetime(2027, 1, 31, 10, tzinfo=UTC)),
    ],
)
def test_when_a_key_expires_is_said_in_several_ways(text: str, when: datetime) -> None:
    """A day, a time, or how long from now."""
    assert parse_expiry(text, now=NOW) == when


@pytest.mark.parametrize("text", ["", "soon", "1w", "-3d", "2026-11-29", "2027-02-30", "2027-01-31T12:00:00", "999999999d"])
def test_a_time_that_is_none_or_over_is_refused(text: str) -> None:
    """With a message that says what to give."""
    with pytest.raises(ValueError, match=r"is not a time|is in the past"):
        parse_expiry(text, now=NOW)


def test_a_key_from_before_there_were_tenants_can_see_everything(file: Path) -> None:
    """Its line says so afterwards; one that says a tenant stays, and a key that opens nothing is told."""
    file.write_text("# mine\n" + key_line("local", "k") + key_line("bob", "b", tenant="acme"))
    assert grant_all_tenants(file, "k")
    assert grant_all_tenants(file, "b")
    assert not grant_all_tenants(file, "x")
    assert file.read_text() == "# mine\n" + key_line("local", "k", tenant="*") + key_line("bob", "b", tenant="acme")


def test_the_suite_sees_everything_on_its_machine(tmp_path: Path) -> None:
    """With a new key, with one from before there were tenants, and after its own was revoked."""
    suite, own = Suite(tmp_path), tmp_path / "api-key"
    suite._make_keys()
    first = own.read_text()
    (tmp_path / "api-keys").write_text(key_line("local", first.strip()))
    suite._make_keys()
    assert own.read_text() == first
    assert ApiKeys(tmp_path / "api-keys").verify(first.strip()).everything  # type: ignore[union-attr]
    revoke(tmp_path / "api-keys", "local")
    suite._make_keys()
    assert ApiKeys(tmp_path / "api-keys").verify(first.strip()) is None
    assert ApiKeys(tmp_path / "api-keys").verify(own.read_text().strip()).everything  # type: ignore[union-attr]


def test_without_a_file_the_suites_own_is_meant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """That of the data folder; or the one that the services of this environment read."""
    assert keys("add", "bob", "--data", str(tmp_path))[0] == 0
    assert "bob" in (tmp_path / "api-keys").read_text()
    monkeypatch.setitem(os.environ, "STENO_INGEST_API_KEYS_FILE", str(tmp_path / "services"))
    assert keys("add", "alice", "--data", str(tmp_path))[0] == 0
    assert "alice" in (tmp_path / "services").read_text()


def test_without_a_file_or_a_suite_nothing_is_made(tmp_path: Path) -> None:
    """A key in a file that nobody reads would open nothing."""
    for command in (("add", "bob"), ("list",), ("revoke", "bob")):
        status, said = keys(*command, "--data", str(tmp_path / "nowhere"))
        assert status != 0
        assert "no data folder" in " ".join(said.split())
    assert not (tmp_path / "nowhere").exists()


def test_keys_are_listed_for_scripts(file: Path) -> None:
    """As JSON, with invalid lines; digests and no keys."""
    file.write_text(key_line("bob", "b", tenant="acme") + "what\n")
    status, said = keys("list", "--json", "--file", str(file))
    document = json.loads(said)
    assert status == 0
    assert [(key["name"], key["tenant"], key["expired"], key["line"]) for key in document["keys"]] == [
        ("bob", "acme", False, 1)
    ]
    assert [fault["line"] for fault in document["invalid"]] == [2]
