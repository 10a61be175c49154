"""Services, certificates, keys, databases and the checks themselves."""

import asyncio
import ssl
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from support.certificates import Authority

from steno.doctor.certificates import judge_end, judge_refusal
from steno.doctor.checks import Check, run_checks
from steno.doctor.databases import judge_revision
from steno.doctor.findings import Finding, Severity, exit_status, note, ok, warning
from steno.doctor.service_checks import judge_key_file
from steno.doctor.services import ServiceFacts, judge_deliveries, judge_services
from steno.doctor.tls import judge_authority_file, judge_files
from steno.errors import StenoError
from steno.http.auth import key_line

NOW = datetime(2026, 1, 1, tzinfo=UTC)
READY = ServiceFacts(
    service="ingest", url="http://i", status=200, health={"healthy": True, "checks": {"kafka": True}}, metrics={}, version="1.0"
)


@pytest.mark.parametrize(
    ("found", "severity", "what"),
    [
        (READY, Severity.OK, "it is ready, version 1.0"),
        (replace(READY, failure="refused"), Severity.ERROR, "does not answer: refused"),
        (
            replace(READY, status=503, health={"checks": {"kafka": False}, "reasons": {"kafka": "no broker"}}),
            Severity.ERROR,
            "not ready: no broker",
        ),
        (replace(READY, status=404, health={}), Severity.ERROR, "it answered 404"),
        (replace(READY, health={"notices": {"x_holds_nothing": False}}), Severity.WARNING, "x_holds_nothing is false"),
        (replace(READY, ahead_seconds=3600.0), Severity.WARNING, "3600 s ahead of this machine's"),
        (replace(READY, ahead_seconds=-20.0), Severity.NOTE, "20 s behind"),
        (
            replace(READY, metrics={"steno_ingest_outbox_age_seconds": 90.0, "steno_ingest_outbox_depth": 4.0}),
            Severity.WARNING,
            "4 accepted records wait for Kafka, the oldest for 90 s",
        ),
        (replace(READY, metrics={"steno_ingest_ledger_unbalanced": 1.0}), Severity.ERROR, "does not balance"),
        (replace(READY, metrics={"steno_ingest_outbox_refused": 1.0}), Severity.WARNING, "refused 1 records"),
        (replace(READY, metrics={"steno_notifier_oldest_due_seconds": 900.0}), Severity.WARNING, "due for 900 s"),
    ],
)
def test_what_a_service_answers_is_judged(found: ServiceFacts, severity: Severity, what: str) -> None:
    findings = judge_services([found], own_version="1.0")
    assert any(finding.severity == severity and what in finding.what for finding in findings), findings
    assert all(finding.todo for finding in findings if finding.severity >= Severity.WARNING)


@pytest.mark.parametrize(("other", "what"), [("0.9", "ingest 1.0, notifier 0.9"), ("", "ingest 1.0, notifier older than 1.0")])
def test_an_older_version_beside_a_newer_one_is_named(other: str, what: str) -> None:
    """An image from before versions were shown as a metric, too."""
    findings = judge_services([READY, replace(READY, service="notifier", version=other)], own_version="1.0")
    assert [finding.what for finding in findings if finding.severity] == [f"services of several versions run: {what}"]


def test_a_service_that_keeps_its_metrics_back_is_of_no_version() -> None:
    hidden = replace(READY, service="notifier", metrics=None, version="")
    assert exit_status(judge_services([READY, hidden], own_version="1.0")) == 0


def test_failed_deliveries_are_counted() -> None:
    assert judge_deliveries("n", [], more=False)[0].severity == Severity.OK
    assert "more than 2 deliveries" in judge_deliveries("n", [NOW, NOW], more=True)[0].what


@pytest.mark.parametrize(("days", "severity"), [(-1, Severity.ERROR), (5, Severity.WARNING), (60, Severity.OK)])
def test_the_end_of_a_certificate_is_judged(days: int, severity: Severity) -> None:
    assert judge_end("c", NOW + timedelta(days=days), NOW).severity == severity


@pytest.mark.parametrize(
    ("code", "what"), [(10, "expired"), (20, "authority"), (62, "another name"), (9, "not valid yet"), (7, "accepted")]
)
def test_the_reason_of_a_refused_certificate_is_said(code: int, what: str) -> None:
    finding = judge_refusal("c", code, "why", trusted="KAFKA_SSL_CAFILE")
    assert finding.severity == Severity.ERROR
    assert what in finding.what
    assert finding.todo


def test_the_dates_of_certificate_files_are_read(tmp_path: Path) -> None:
    """Of the certificate and of authorities; what is no certificate is an error that names the file."""
    authority = Authority(tmp_path)
    file, now = authority.pem("steno.example"), datetime.now(UTC)
    assert [finding.severity for finding in judge_files(file, None, now=now)] == [Severity.WARNING]
    assert [finding.severity for finding in judge_files(file, None, now=now + timedelta(days=2))] == [Severity.ERROR]
    (soon,) = judge_authority_file(authority.file, now=now)
    assert "authority authority" in soon.where
    (tmp_path / "junk.pem").write_text("junk")
    for found in (judge_files(tmp_path / "junk.pem", None, now=now), judge_authority_file(tmp_path / "junk.pem", now=now)):
        assert [(finding.severity, finding.where) for finding in found] == [(Severity.ERROR, str(tmp_path / "junk.pem"))]


def test_a_key_of_another_certificate_is_an_error(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    (finding,) = judge_files(authority.pem("a.example"), authority.pem("b.example"), now=datetime.now(UTC))
    assert finding.severity == Severity.ERROR
    assert "not a certificate with its key" in finding.what


def test_keys_that_expire_soon_or_open_nothing_are_named_by_line(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text("junk\n" + key_line("a", "k1", expires=NOW + timedelta(days=3)) + key_line("b", "k2"))
    file.chmod(0o600)
    findings = judge_key_file(file, now=NOW)
    assert [(finding.severity, finding.where) for finding in findings] == [
        (Severity.WARNING, f"{file}, line 1"),
        (Severity.WARNING, f"{file}, line 2"),
    ]
    assert "junk" not in str(findings)


@pytest.mark.parametrize("content", [None, "", b"\xff"])
def test_a_key_file_that_opens_nothing_is_an_error(tmp_path: Path, content: str | bytes | None) -> None:
    file = tmp_path / "keys"
    if content is not None:
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
    assert exit_status(judge_key_file(file, now=NOW)) == exit_status(judge_key_file(None, now=NOW)) == 2


@pytest.mark.parametrize(
    ("here", "severity"), [(None, Severity.ERROR), ("0013", Severity.WARNING), ("0014", Severity.OK), ("0015", Severity.ERROR)]
)
def test_older_and_newer_tables_are_told_apart(here: str | None, severity: Severity) -> None:
    assert judge_revision("ingest", "db", here, "0014").severity == severity


async def test_a_check_that_fails_or_hangs_is_a_finding_and_costs_no_other() -> None:
    async def good() -> Sequence[Finding]:
        return [ok("here", "fine")]

    async def broken() -> Sequence[Finding]:
        raise KeyError("x")

    async def refused() -> Sequence[Finding]:
        raise StenoError("the registry is away")

    async def hangs() -> Sequence[Finding]:
        await asyncio.Event().wait()
        return []

    checks = [
        Check(name="hangs", run=hangs, seconds=0.01),
        *(Check(name=run.__name__, run=run) for run in (broken, refused, good)),
    ]
    findings = await run_checks(checks)
    assert [(finding.check, int(finding.severity)) for finding in findings] == [
        ("hangs", 3),
        ("broken", 3),
        ("refused", 3),
        ("good", 0),
    ]
    assert findings[2].what == "the registry is away"


def test_the_exit_status_is_that_of_the_worst_finding() -> None:
    assert exit_status([]) == exit_status([ok("a", "b"), note("a", "b")]) == 0
    assert exit_status([warning("a", "b", "c"), ok("a", "b")]) == 1


def test_a_handshake_in_memory_needs_no_trust_in_the_authority(tmp_path: Path) -> None:
    """A certificate is judged by its dates, whoever signed it."""
    file = Authority(tmp_path).pem("steno.example")
    context = ssl.create_default_context()
    assert not any("authority" in str(entry) for entry in context.get_ca_certs())
    assert judge_files(file, None, now=datetime.now(UTC))[0].severity == Severity.WARNING
