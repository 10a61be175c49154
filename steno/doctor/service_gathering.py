"""Asks services over HTTP: health, metrics, and with a key the ledger and the deliveries."""

import asyncio
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

from steno.doctor.certificates import judge_refusal
from steno.doctor.findings import Finding, error, ok
from steno.doctor.services import ServiceFacts, judge_deliveries, judge_services

_TIMEOUT = aiohttp.ClientTimeout(total=6, connect=3)
_MOST_DELIVERIES = 100


async def ask_services(
    urls: Mapping[str, str], connector: aiohttp.TCPConnector, *, own_version: str, trusted: str
) -> list[Finding]:
    """Asks services by their URLs and judges them."""
    async with aiohttp.ClientSession(connector=connector, timeout=_TIMEOUT) as session:
        asked = await asyncio.gather(*(_ask(session, name, url, trusted) for name, url in urls.items()))
    refused = [found for found in asked if isinstance(found, Finding)]
    return refused + judge_services([found for found in asked if isinstance(found, ServiceFacts)], own_version=own_version)


async def ask_ledger(url: str, key: str, connector: aiohttp.TCPConnector) -> list[Finding]:
    """Asks ingest, with a key, whether its ledger balances."""
    ledger = await _get(url, "/v1/ledger", key, connector, needed="balanced")
    if isinstance(ledger, Finding):
        return [ledger]
    if not ledger["balanced"]:
        return [error(url, "the ledger does not balance", "run `steno ledger`, and report it as a bug of Steno with the log")]
    return [ok(url, f"the ledger balances: {ledger['accepted']} recordings and {ledger['calls']['accepted']} calls")]


async def ask_deliveries(url: str, key: str, connector: aiohttp.TCPConnector) -> list[Finding]:
    """Asks the notifier, with a key, which deliveries have failed."""
    page = await _get(url, f"/v1/deliveries?state=failed&limit={_MOST_DELIVERIES}", key, connector, needed="items")
    if isinstance(page, Finding):
        return [page]
    since = datetime.now(UTC) - timedelta(days=1)
    times = [datetime.fromisoformat(entry["updated_at"]) for entry in page["items"]]
    return judge_deliveries(url, [time for time in times if time >= since], more=page["next"] is not None)


async def _get(url: str, path: str, key: str, connector: aiohttp.TCPConnector, *, needed: str) -> Mapping[str, Any] | Finding:
    """A document of a service, which has the field `needed`, or why there is none."""
    headers = {"Authorization": f"Bearer {key}"}
    try:
        async with (
            aiohttp.ClientSession(connector=connector, timeout=_TIMEOUT, headers=headers) as session,
            session.get(url + path) as answer,
        ):
            document = _document(await answer.read())
    except (aiohttp.ClientError, TimeoutError) as failure:
        return error(url, f"it does not answer: {failure or type(failure).__name__}", "start it, and look at its log")
    if answer.status in (401, 403):
        return error(url, "it does not accept the API key", "give one of its file of keys (`steno keys add NAME`)")
    if answer.status != 200 or needed not in document:
        what = f"{path} was answered {answer.status}, not as by Steno"
        return error(url, what, "check that the URL is that of the service, and look at its log")
    return document


async def _ask(session: aiohttp.ClientSession, name: str, url: str, trusted: str) -> ServiceFacts | Finding:
    try:
        async with session.get(f"{url}/health/ready") as answer:
            status, health, date = answer.status, _document(await answer.read()), answer.headers.get("Date")
        ahead = None if date is None else (parsedate_to_datetime(date) - datetime.now(UTC)).total_seconds()
        metrics, version = await _metrics(session, url)
    except aiohttp.ClientConnectorCertificateError as refused:
        reason = refused.certificate_error
        code, message = getattr(reason, "verify_code", 0), getattr(reason, "verify_message", str(reason))
        return judge_refusal(f"{name} at {url}", code, message, trusted=trusted)
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as failure:
        return ServiceFacts(service=name, url=url, failure=str(failure) or type(failure).__name__)
    return ServiceFacts(
        service=name, url=url, status=status, health=health, ahead_seconds=ahead, metrics=metrics, version=version
    )


async def _metrics(session: aiohttp.ClientSession, url: str) -> tuple[Mapping[str, float] | None, str]:
    """The sum of each metric, and the version; None where there is an admin port, or a proxy keeps them back."""
    async with session.get(f"{url}/metrics") as answer:
        text = await answer.text() if answer.status == 200 else ""
    if not text.startswith("# HELP"):
        return None, ""
    sums: dict[str, float] = {}
    version = ""
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            sums[sample.name] = sums.get(sample.name, 0) + sample.value
            if sample.name == "steno_build_info":
                version = sample.labels.get("version", "")
    return sums, version


def _document(body: bytes) -> Mapping[str, Any]:
    try:
        document = json.loads(body)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}
