"""Asks the REST APIs of ingest and the notifier for what they know of one call."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode

import aiohttp

_TIMEOUT = aiohttp.ClientTimeout(total=10, connect=3)
_MOST_DELIVERIES = 20


@dataclass(kw_only=True)
class Answers:
    """What they answered; `unasked` says of each service that could not be asked, why."""

    call_id: str
    call: Mapping[str, Any] | None = None
    recordings: list[Mapping[str, Any]] = field(default_factory=list)
    transcripts: dict[str, bool] = field(default_factory=dict)
    deliveries: list[Mapping[str, Any]] = field(default_factory=list)
    unasked: dict[str, str] = field(default_factory=dict)


class _NoAnswer(Exception):
    """A service did not answer, or refused; the message says which and why."""


async def ask_about(name: str, *, ingest_url: str, notifier_url: str, key: str, connector: aiohttp.TCPConnector) -> Answers:
    """Asks about a call.

    Args:
        name: The id of the call, or of a recording of it.
        notifier_url: Empty where it is not known.
    """
    headers = {"Authorization": f"Bearer {key}"}
    async with aiohttp.ClientSession(connector=connector, timeout=_TIMEOUT, headers=headers) as session:
        answers = Answers(call_id=name)
        try:
            await _ask_ingest(session, ingest_url, answers)
        except _NoAnswer as failure:
            answers.unasked["ingest"] = str(failure)
        if not notifier_url:
            answers.unasked["notifier"] = "its URL is not known: set STENO_UP_NOTIFIER_URL"
            return answers
        try:
            await _ask_notifier(session, notifier_url, answers)
        except _NoAnswer as failure:
            answers.unasked["notifier"] = str(failure)
        return answers


async def _ask_ingest(session: aiohttp.ClientSession, url: str, answers: Answers) -> None:
    answers.call = await _get(session, f"{url}/v1/calls/{quote(answers.call_id, safe='')}")
    if answers.call is None:
        recording = await _get(session, f"{url}/v1/recordings/{quote(answers.call_id, safe='')}")
        if recording is not None:
            answers.call_id = recording["call_id"]
            answers.call = await _get(session, f"{url}/v1/calls/{quote(answers.call_id, safe='')}")
    page = await _get(session, f"{url}/v1/recordings?{urlencode({'call_id': answers.call_id})}") or {"items": []}
    answers.recordings = page["items"]
    for entry in answers.recordings:
        if entry["state"] in ("completed", "no_speech"):
            path = f"{url}/v1/recordings/{quote(entry['recording_id'], safe='')}/transcript"
            answers.transcripts[entry["recording_id"]] = await _get(session, path) is not None


async def _ask_notifier(session: aiohttp.ClientSession, url: str, answers: Answers) -> None:
    query = urlencode({"call_id": answers.call_id, "limit": _MOST_DELIVERIES})
    page = await _get(session, f"{url}/v1/deliveries?{query}") or {"items": []}
    for delivery in page["items"]:
        detail = await _get(session, f"{url}/v1/deliveries/{delivery['delivery_id']}")
        answers.deliveries.append(detail or delivery)


async def _get(session: aiohttp.ClientSession, url: str) -> dict[str, Any] | None:
    """The document at a URL; None where there is none."""
    try:
        async with session.get(url) as answer:
            body = await answer.read()
    except (aiohttp.ClientError, TimeoutError, ValueError) as failure:
        raise _NoAnswer(f"{url} does not answer: {failure or type(failure).__name__}") from None
    if answer.status in (404, 410, 422):  # 422: what cannot be an id of this kind
        return None
    if answer.status == 401:
        raise _NoAnswer("the API key is not accepted: give a valid one by --key or STENO_UP_API_KEY")
    try:
        document = json.loads(body)
    except ValueError:
        document = None
    if answer.status != 200 or not isinstance(document, dict):
        raise _NoAnswer(f"{url} answered {answer.status}")
    return document
