"""The command `steno doctor`: looks for what is wrong with an installation, and says what to do."""

import asyncio
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import entry_points, version
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import typer
from pydantic import ValidationError

from steno import private_files
from steno.cli import run_file, trust
from steno.cli.address import ApiError, find_api
from steno.cli.data_folder import DEFAULT_DATA, Data
from steno.cli.kafka_access import quiet
from steno.cli.options import AsJson, Key, Url, examples
from steno.cli.service_environment import service_environment
from steno.cli.terminal import notes, out, styled
from steno.doctor import tls
from steno.doctor.checks import Check, run_checks
from steno.doctor.findings import Finding, Severity, error, exit_status, note
from steno.doctor.kafka_check import kafka_checks
from steno.doctor.service_checks import ServiceChecks, folder_space, service_checks
from steno.doctor.service_gathering import ask_deliveries, ask_ledger, ask_services
from steno.secret_settings import SecretUnreadable
from steno.settings import SERVICES, KafkaSettings, SchemaSettings, SettingsError, TopicSettings

EPILOG = examples(
    "steno doctor",
    "STENO_UP_API_KEY=… steno doctor --url https://steno.example",
    "KAFKA_BOOTSTRAP_SERVERS=broker:9092 steno doctor --json",
)

_STYLES = {Severity.OK: "green", Severity.NOTE: "cyan", Severity.WARNING: "yellow", Severity.ERROR: "bold red"}


@dataclass(frozen=True, kw_only=True, slots=True)
class _Plan:
    """What is to be checked, and what is known to be wrong before."""

    checks: list[Check]
    findings: list[Finding]


def doctor(data: Data = DEFAULT_DATA, as_json: AsJson = False, url: Url = None, key: Key = None) -> None:
    """Check an installation, and say what to do. Exit status: 0 all is well, 1 warnings, 2 errors.

    It checks the suite of --data where one was started there; with --url the suite at that URL, and its Kafka where
    KAFKA_BOOTSTRAP_SERVERS is set; otherwise Kafka and the services whose settings are in the environment, as in an image.
    """
    private_files.set_umask()
    url = url or os.environ.get("STENO_UP_URL")
    if url:
        plan = _suite_by_url(data, url, key)
    elif (data / run_file.NAME).exists():
        plan = _suite_of(data)
    else:
        plan = _environment()
    with quiet():
        judged = plan.findings + asyncio.run(run_checks(plan.checks))
    # Several services may have found the same, as of one disk.
    found = {(finding.where, finding.what): finding for finding in judged}
    findings = list(found.values())
    _print(findings, as_json=as_json)
    raise typer.Exit(exit_status(findings))


def _suite_by_url(data: Path, url: str, key: str | None) -> _Plan:
    try:
        address = find_api(data, url=url, key=key)
    except ApiError as failure:
        notes.print_error(failure)
        raise typer.Exit(2) from None
    urls = {"ingest": address.url} | ({"notifier": address.notifier_url} if address.notifier_url else {})
    findings = []
    if not address.notifier_url:
        findings.append(_not_asked("notifier", "set STENO_UP_NOTIFIER_URL to have it asked"))
    checks = [*_certificate_checks(urls.values()), *_http_checks(urls, address.key, trust.connector)]
    if "KAFKA_BOOTSTRAP_SERVERS" in os.environ:
        plan = _with_kafka(())
        return _Plan(checks=plan.checks + checks, findings=plan.findings + findings)
    findings.append(_not_asked("Kafka", "set KAFKA_BOOTSTRAP_SERVERS and the other KAFKA_… settings to have it asked"))
    return _Plan(checks=checks, findings=findings)


def _suite_of(data: Path) -> _Plan:
    """The suite that `steno up` runs on a data folder, or ran before."""
    data = data.absolute()
    findings: list[Finding] = []
    try:
        document = run_file.read(data)
        urls: dict[str, str] = {name: document["services"][name]["url"] for name in SERVICES}
        kafka: str = document["kafka"]
        for name in SERVICES:
            port = int(urls[name].rpartition(":")[2])
            os.environ.update(service_environment(name, data, kafka=kafka, port=port, public_url=urls["ingest"]))
        key = find_api(data).key
    except (OSError, ApiError) as failure:
        return _Plan(
            checks=[], findings=[error(str(data), str(failure), "run `steno up` on the folder, which makes what is missing")]
        )
    except (KeyError, ValueError, TypeError) as failure:
        return _Plan(
            checks=[], findings=[error(str(data / run_file.NAME), f"it is damaged: {failure!r}", "run `steno up` again")]
        )
    plan = _environment()
    # A suite on one machine may have certificates for names that are not its loopback address.
    checks = [
        Check(name="data folder", run=partial(folder_space, data)),
        *_http_checks(urls, key, lambda: aiohttp.TCPConnector(ssl=False)),
        *(check for check in plan.checks if not check.name.endswith(" port")),
    ]
    return _Plan(checks=checks, findings=findings + plan.findings)


def _environment() -> _Plan:
    """Kafka, and the services that are installed here and have settings in the environment."""
    installed = {entry.name: entry for entry in entry_points(group="steno.checks")}
    configured = [
        name
        for name in SERVICES
        if name in installed
        and (len(installed) == 1 or any(variable.startswith(f"STENO_{name.upper()}_") for variable in os.environ))
    ]
    checks: list[Check] = []
    findings: list[Finding] = []
    for name in configured:
        make: ServiceChecks = installed[name].load()
        try:
            settings, own = make()
        except (SettingsError, SecretUnreadable) as failure:
            findings.append(error(f"settings of {name}", str(failure), "correct the environment; docs/settings.md has all"))
            continue
        checks += [*service_checks(settings, own_version=version("steno")), *own]
    kafka = _with_kafka(configured)
    return _Plan(checks=kafka.checks + checks, findings=kafka.findings + findings)


def _with_kafka(services: Sequence[str]) -> _Plan:
    try:
        return _Plan(checks=kafka_checks(KafkaSettings(), TopicSettings(), SchemaSettings(), services), findings=[])
    except (ValidationError, SecretUnreadable) as failure:
        what = (
            "; ".join(problem["msg"] for problem in failure.errors()) if isinstance(failure, ValidationError) else str(failure)
        )
        return _Plan(
            checks=[], findings=[error("settings of Kafka", what, "correct the environment; docs/settings.md has all")]
        )


def _certificate_checks(urls: Iterable[str]) -> list[Check]:
    """The checks of what servers present, of those that speak TLS."""

    async def presented(address: str) -> list[Finding]:
        return await tls.probe(address, trust.context(), trusted="--ca", now=datetime.now(UTC))

    parts = [urlsplit(url) for url in urls if url.startswith("https:")]
    addresses = dict.fromkeys(f"{part.hostname}:{part.port or 443}" for part in parts)
    return [Check(name=f"certificate of {address}", run=partial(presented, address)) for address in addresses]


def _http_checks(urls: dict[str, str], key: str, connector: Callable[[], aiohttp.TCPConnector]) -> list[Check]:
    async def services() -> list[Finding]:
        return await ask_services(urls, connector(), own_version=version("steno"), trusted="--ca")

    async def ledger() -> list[Finding]:
        return await ask_ledger(urls["ingest"], key, connector())

    async def deliveries() -> list[Finding]:
        return await ask_deliveries(urls["notifier"], key, connector())

    checks = [Check(name="services", run=services), Check(name="ledger", run=ledger)]
    return [*checks, Check(name="deliveries", run=deliveries)] if "notifier" in urls else checks


def _not_asked(what: str, todo: str) -> Finding:
    return note(what, "it was not asked", todo)


def _print(findings: Sequence[Finding], *, as_json: bool) -> None:
    if as_json:
        out.json({"findings": [shown_finding(finding) for finding in findings], "status": exit_status(findings)})
        return
    print_findings(findings)


def print_findings(findings: Sequence[Finding]) -> None:
    """Prints findings as lines, and how many warnings and errors there are."""
    for finding in findings:
        severity = finding.severity.name.lower()
        out.print_line(styled(_STYLES[finding.severity], f"{severity:>7}"), f"  {finding.where}: {finding.what}")
        if finding.todo and finding.severity:
            out.print_line(styled("dim", f"{'':>9}→ "), finding.todo)
    errors, warnings = (sum(finding.severity is kind for finding in findings) for kind in (Severity.ERROR, Severity.WARNING))
    out.print_line(f"{errors} errors, {warnings} warnings")


def shown_finding(finding: Finding) -> dict[str, Any]:
    """A finding as values of JSON."""
    return {
        "severity": finding.severity.name.lower(),
        "check": finding.check,
        "where": finding.where,
        "what": finding.what,
        "todo": finding.todo,
    }
