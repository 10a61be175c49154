"""Judges services by what they answer: health, metrics, the hour of their clock, their version. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from steno.doctor.findings import Finding, error, note, ok, warning

_CLOCK_NOTE, _CLOCK_WARNING = 5, 60
_OUTBOX_SECONDS, _DUE_SECONDS = 60, 300


@dataclass(frozen=True, kw_only=True, slots=True)
class ServiceFacts:
    """What a service answered."""

    service: str
    url: str
    #: Why it did not answer; empty where it did.
    failure: str = ""
    #: Status and document of `/health/ready`.
    status: int = 0
    health: Mapping[str, object] = field(default_factory=dict)
    #: How far its clock is ahead of this machine's, in seconds; None where it does not say the time.
    ahead_seconds: float | None = None
    #: Values of its metrics without labels' values: the sum of each; None where it does not show them here.
    metrics: Mapping[str, float] | None = None
    version: str = ""


def judge_services(services: Sequence[ServiceFacts], *, own_version: str) -> list[Finding]:
    """Judges all services that were asked, and whether their versions go together."""
    findings = [finding for service in services for finding in _judge(service)]
    shown = [service for service in services if service.metrics is not None]
    versions = {service.service: service.version or f"older than {own_version}" for service in shown}
    if len(set(versions.values())) > 1:
        each = ", ".join(f"{name} {version}" for name, version in sorted(versions.items()))
        findings.append(
            warning(
                "versions",
                f"services of several versions run: {each}",
                "upgrade all of them to one version (docs/operating.md)",
            )
        )
    elif versions and own_version not in versions.values():
        findings.append(
            note("versions", f"the services are of version {next(iter(versions.values()))}, and this `steno` is {own_version}")
        )
    return findings


def _judge(service: ServiceFacts) -> Iterator[Finding]:
    where = f"{service.service} at {service.url}"
    if service.failure:
        yield error(where, f"it does not answer: {service.failure}", "start it, and look at its log")
        return
    checks = _mapping(service.health.get("checks"))
    reasons = _mapping(service.health.get("reasons"))
    failed = [name for name, good in checks.items() if not good]
    if service.status != 200:
        because = "; ".join(str(reasons.get(name) or name) for name in failed) or f"it answered {service.status}"
        yield error(where, f"it is not ready: {because}", "mend what it waits for; its log says more")
    for name, good in _mapping(service.health.get("notices")).items():
        if not good:
            yield warning(
                where, f"{name} is false: records are held back after unexpected errors", "its log says why: consumer.holding"
            )
    yield from _judge_clock(where, service.ahead_seconds)
    yield from _judge_metrics(where, service.metrics or {})
    if service.status == 200:
        yield ok(where, f"it is ready{f', version {service.version}' if service.version else ''}")


def _judge_clock(where: str, ahead: float | None) -> Iterator[Finding]:
    if ahead is not None:
        yield from judge_clock(where, ahead)


def judge_clock(where: str, ahead_seconds: float) -> list[Finding]:
    """Judges how far a clock is ahead of this machine's; below 0, behind it."""
    apart = abs(ahead_seconds)
    if apart < _CLOCK_NOTE:
        return []
    what = f"its clock is {apart:.0f} s {'ahead of' if ahead_seconds > 0 else 'behind'} this machine's"
    todo = "set both by NTP (chronyc tracking, timedatectl)"
    if apart < _CLOCK_WARNING:
        return [note(where, what, todo)]
    return [warning(where, f"{what}: signatures, tokens, expiry of keys and times of calls are judged by it", todo)]


def _judge_metrics(where: str, metrics: Mapping[str, float]) -> Iterator[Finding]:
    if (age := metrics.get("steno_ingest_outbox_age_seconds", 0)) > _OUTBOX_SECONDS:
        depth = metrics.get("steno_ingest_outbox_depth", 0)
        yield warning(
            where,
            f"{depth:.0f} accepted records wait for Kafka, the oldest for {age:.0f} s",
            "see whether ingest reaches Kafka",
        )
    if refused := metrics.get("steno_ingest_outbox_refused", 0):
        yield warning(
            where,
            f"Kafka refused {refused:.0f} records for good",
            "look at each in the table outbox_refused (docs/operating.md)",
        )
    if metrics.get("steno_ingest_ledger_unbalanced", 0):
        yield error(where, "the ledger does not balance", "run `steno ledger`, and report it as a bug of Steno with the log")
    if held := metrics.get("steno_kafka_records_held", 0):
        yield warning(where, f"{held:.0f} records are held back", "its log says why: consumer.holding")
    if (due := metrics.get("steno_notifier_oldest_due_seconds", 0)) > _DUE_SECONDS:
        yield warning(where, f"a delivery has been due for {due:.0f} s", "add processes of the notifier, or see its database")


def judge_deliveries(where: str, failed_at: Sequence[datetime], *, more: bool) -> list[Finding]:
    """Judges the deliveries that failed within the last day."""
    if not failed_at:
        return [ok(where, "no delivery has failed within the last day")]
    count = f"{'more than ' if more else ''}{len(failed_at)}"
    return [
        warning(
            where,
            f"{count} deliveries of the last day have failed",
            "GET /v1/deliveries?state=failed says why; mend the receiver, then POST /v1/deliveries/{id}/replay",
        )
    ]


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, Mapping) else {}
