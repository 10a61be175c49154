"""The HTTP client of Azure's batch API: credentials, pauses, and what an answer means for whoever asked.

Errors: EndpointUnavailable   the endpoint refused or could not be reached; nothing has happened there
        OutcomeUnknown        the request may have had its effect
        RequestRefused        the request itself is wrong; the message is Azure's
        NoSuchJob             there is no such job (any more)
        NoSuchWebhook         there is no such webhook (any more)
        NotPossibleNow        the job is in a state that does not allow it
"""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

import httpx
import structlog

from steno.errors import Permanent, Retryable
from steno.retry import RetryPolicy
from steno.retry_after import parse_retry_after
from steno_transcriber import metrics
from steno_transcriber.azure import wire
from steno_transcriber.azure.credentials import Credentials
from steno_transcriber.azure.endpoints import Endpoint
from steno_transcriber.azure.result import UnreadableResult
from steno_transcriber.engines.port import EngineUnavailable

T = TypeVar("T")

log = structlog.get_logger("steno.transcriber.azure")

REQUEST_SECONDS = 60.0
"""A request is answered, or given up, within this time."""

FAST_SECONDS = 600.0
"""The same for fast transcription, which sends the audio and waits for the words."""

TIMEOUT = httpx.Timeout(FAST_SECONDS, connect=10.0)

MOST_RESULT_BYTES = 256 << 20
MOST_PAGES = 1000

LISTS = 5
"""Attempts to read a list of jobs from which jobs are deleted meanwhile."""

PAUSES = RetryPolicy(first_seconds=5.0, longest_seconds=300.0)
"""How long an endpoint is left alone that refuses, where it does not say."""

_NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol, httpx.InvalidURL)


class EndpointUnavailable(EngineUnavailable):
    """An endpoint refused a request, or cannot be reached."""


class OutcomeUnknown(EngineUnavailable):
    """Nobody can say whether a request had its effect. `answered`: the far end is done with it."""

    def __init__(self, *told: object, answered: bool) -> None:
        super().__init__(*told)
        self.answered = answered


class RequestRefused(Permanent):
    """Azure says that a request is wrong."""

    error_class = "recognition_failed"


class NoSuchJob(Permanent):
    """There is no such job."""

    error_class = "no_such_job"


class NoSuchWebhook(Permanent):
    """There is no such webhook."""

    error_class = "no_such_webhook"


class NotPossibleNow(Retryable):
    """A job is in a state that does not allow what was asked, for example to delete it."""

    error_class = "not_possible_now"


@dataclass(slots=True)
class _Pause:
    """How long an endpoint is left alone, by the clock of the event loop."""

    until: float = 0.0
    refusals: int = 0
    reason: str = ""


class AzureClient:
    """Asks the endpoints of Azure. Used on one event loop."""

    def __init__(
        self, http: httpx.AsyncClient, credentials: Credentials, api: wire.Api, *, pauses: RetryPolicy = PAUSES
    ) -> None:
        self._http = http
        self._credentials = credentials
        self._api = api
        self._policy = pauses
        #: By endpoint, and by whether it is for fast transcription, which has quotas of its own.
        self._pauses: dict[tuple[str, bool], _Pause] = {}

    async def submit(self, endpoint: Endpoint, request: wire.Request) -> wire.Job:
        """Asks for a job.

        Raises:
            EndpointUnavailable, OutcomeUnknown, RequestRefused: as above.
        """
        response = await self._request(endpoint, request)
        try:
            return wire.read_job(response.content)
        except UnreadableResult as error:
            raise OutcomeUnknown(f"{endpoint.name} answered nonsense: {error}", answered=True) from None

    async def find(self, endpoint: Endpoint, name: str) -> list[wire.Job]:
        """The jobs with a display name, all that are there throughout. Raises `EngineUnavailable`."""
        for _ in range(LISTS):
            found = await self._list(endpoint, name)
            if found is not None:
                # A container, or another implementation, may not filter.
                return [job for job in found if job.name == name]
        raise EndpointUnavailable(f"the list of jobs at {endpoint.name} changes while it is read")

    async def _list(self, endpoint: Endpoint, name: str) -> list[wire.Job] | None:
        """The jobs of all pages; None where jobs that were deleted meanwhile have moved others to a page that was read.

        Each page begins with the last job of the one before it, by which that is noticed.
        """
        found: dict[str, wire.Job] = {}
        for _ in range(MOST_PAGES):
            response = await self._request(endpoint, self._api.find(name, skip=max(0, len(found) - 1)))
            jobs, more = _readable(endpoint, wire.read_jobs, response)
            if found and (not jobs or jobs[0].id not in found):
                return None
            before = len(found)
            found |= {job.id: job for job in jobs}
            if not more or len(found) == before:
                break
        return list(found.values())

    async def job(self, endpoint: Endpoint, job_id: str) -> tuple[wire.Job, float]:
        """A job, and the seconds after which Azure wants to be asked again. Raises `EngineUnavailable`, `NoSuchJob`."""
        response = await self._request(endpoint, self._api.job(job_id))
        return _readable(endpoint, wire.read_job, response), _retry_after(response)

    async def files(self, endpoint: Endpoint, job_id: str) -> list[wire.JobFile]:
        """The files of a job. Raises as `job`."""
        found: list[wire.JobFile] = []
        for _ in range(MOST_PAGES):
            response = await self._request(endpoint, self._api.files(job_id, skip=len(found)))
            files, more = _readable(endpoint, wire.read_files, response)
            found += files
            if not more or not files:
                break
        return found

    async def download(self, endpoint: Endpoint, url: str) -> bytes:
        """The content of a file, at a URL that Azure has signed: credentials are not sent to it.

        Raises:
            EngineUnavailable: try again.
        """
        try:
            async with asyncio.timeout(900), self._http.stream("GET", url) as response:
                if response.status_code != 200:
                    raise EndpointUnavailable(f"a file of a job at {endpoint.name} is not handed out ({response.status_code})")
                content = bytearray()
                async for piece in response.aiter_bytes():
                    content += piece
                    if len(content) > MOST_RESULT_BYTES:
                        raise EndpointUnavailable(f"a result at {endpoint.name} has more than {MOST_RESULT_BYTES} bytes")
                return bytes(content)
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as error:
            raise EndpointUnavailable(f"a file of a job at {endpoint.name} cannot be read: {error!r}") from None

    async def delete(self, endpoint: Endpoint, job_id: str) -> None:
        """Deletes a job; one that is gone is no error. Raises `EngineUnavailable`, `NotPossibleNow`."""
        try:
            await self._request(endpoint, self._api.delete(job_id))
        except NoSuchJob:
            return
        except RequestRefused as error:
            raise NotPossibleNow(str(error)) from None

    async def webhooks(self, endpoint: Endpoint) -> list[wire.Webhook]:
        """The webhooks of the resource. Raises `EngineUnavailable`."""
        found: list[wire.Webhook] = []
        for _ in range(MOST_PAGES):
            response = await self._request(endpoint, self._api.webhooks(skip=len(found)))
            webhooks, more = _readable(endpoint, wire.read_webhooks, response)
            found += webhooks
            if not more or not webhooks:
                break
        return found

    async def create_webhook(self, endpoint: Endpoint, *, name: str, url: str, secret: str) -> None:
        """Makes a webhook. Raises `EngineUnavailable`, `RequestRefused`."""
        await self._request(endpoint, self._api.create_webhook(name=name, url=url, secret=secret))

    async def update_webhook(self, endpoint: Endpoint, webhook_id: str, *, name: str, url: str, secret: str) -> None:
        """Changes a webhook. Raises as `create_webhook`, and `NoSuchWebhook`."""
        await self._request(endpoint, self._api.update_webhook(webhook_id, name=name, url=url, secret=secret))

    async def delete_webhook(self, endpoint: Endpoint, webhook_id: str) -> None:
        """Deletes a webhook; one that is gone is no error. Raises as `create_webhook`."""
        with suppress(NoSuchWebhook):
            await self._request(endpoint, self._api.delete_webhook(webhook_id))

    async def transcribe(self, endpoint: Endpoint, *, audio: bytes, definition: str) -> bytes:
        """Recognises a short recording at once (`transcriptions:transcribe`). Raises as `submit`."""
        request = wire.Request(
            method="POST", path="/speechtotext/transcriptions:transcribe", query={"api-version": "2024-11-15"}
        )
        files = {"audio": ("audio", audio, "application/octet-stream"), "definition": (None, definition, "application/json")}
        return (await self._request(endpoint, request, files=files)).content

    def check(self, endpoint: Endpoint, *, fast: bool = False) -> None:
        """Raises `EndpointUnavailable` for as long as an endpoint that has refused is to be left alone."""
        pause = self._pause(endpoint, fast)
        if (seconds := pause.until - asyncio.get_running_loop().time()) > 0:
            raise EndpointUnavailable(pause.reason, again_in_seconds=seconds)

    async def _request(
        self, endpoint: Endpoint, request: wire.Request, *, files: Mapping[str, Any] | None = None
    ) -> httpx.Response:
        """Makes a request with each credential until one is accepted."""
        fast = files is not None
        self.check(endpoint, fast=fast)
        response: httpx.Response | None = None
        for credential in await self._credentials.of(endpoint):
            response = await self._send(endpoint, request, credential.headers, files)
            if response.status_code != 401:
                self._credentials.accepted(endpoint, credential)
                break
            self._credentials.refused(endpoint, credential)
        assert response is not None, "there is a credential, or an error"
        return self._checked(endpoint, response, fast=fast)

    async def _send(
        self, endpoint: Endpoint, request: wire.Request, headers: Mapping[str, str], files: Mapping[str, Any] | None
    ) -> httpx.Response:
        try:
            async with asyncio.timeout(REQUEST_SECONDS if files is None else FAST_SECONDS):
                return await self._http.request(
                    request.method,
                    endpoint.url + request.path,
                    params=dict(request.query),
                    json=request.body,
                    files=files,
                    headers=dict(headers),
                )
        except _NOT_SENT as error:
            raise self._unavailable(endpoint, f"{endpoint.name} cannot be reached: {error!r}", fast=files is not None) from None
        except (httpx.HTTPError, TimeoutError) as error:
            raise OutcomeUnknown(f"{endpoint.name} did not answer: {error!r}", answered=False) from None

    def _checked(self, endpoint: Endpoint, response: httpx.Response, *, fast: bool) -> httpx.Response:
        """The response, if it is a success; otherwise raises what it means."""
        status = response.status_code
        if 200 <= status < 300:
            self._pauses.pop((endpoint.url, fast), None)
            return response
        metrics.AZURE_REFUSALS.labels(endpoint.name, str(status)).inc()
        code, message = wire.error_of(response.content)
        told = f"{message} ({code})" if code else message
        if code == "DeleteNotAllowed":
            raise RequestRefused(told)
        if status in (401, 403, 429) or code in ("QuotaViolation", "TooManyRequests"):
            reason = f"{endpoint.name} refuses ({status}): {told}"
            raise self._unavailable(endpoint, reason, fast=fast, asked_seconds=_retry_after(response))
        if status >= 500 or status == 408:
            raise OutcomeUnknown(f"{endpoint.name} failed ({status}): {told}", answered=True)
        method = response.request.method
        if status == 404 and "/transcriptions/" in response.request.url.path:
            raise NoSuchJob(f"{endpoint.name} has no such job")
        if status == 404 and "/webhooks/" in response.request.url.path:
            raise NoSuchWebhook(f"{endpoint.name} has no such webhook")
        # A question that is refused is no fault of a recording.
        if status in (400, 409, 413, 415, 422) and method != "GET":
            raise RequestRefused(told or f"Azure refused the request (status {status})")
        raise self._unavailable(endpoint, f"{endpoint.name} does not serve this API (status {status}): {told}", fast=fast)

    def _unavailable(self, endpoint: Endpoint, reason: str, *, fast: bool, asked_seconds: float = 0.0) -> EndpointUnavailable:
        """The error of an endpoint that is left alone for a while, as it asks, or longer from time to time."""
        pause = self._pause(endpoint, fast)
        pause.refusals += 1
        seconds = asked_seconds or self._policy.after(pause.refusals)
        pause.until = asyncio.get_running_loop().time() + seconds
        pause.reason = reason
        log.warning("azure.endpoint_paused", endpoint=endpoint.name, reason=reason, seconds=round(seconds, 1))
        return EndpointUnavailable(reason, again_in_seconds=seconds)

    def _pause(self, endpoint: Endpoint, fast: bool) -> _Pause:
        return self._pauses.setdefault((endpoint.url, fast), _Pause())


def _readable(endpoint: Endpoint, read: Callable[[bytes], T], response: httpx.Response) -> T:
    """What a function reads of a response. Raises `OutcomeUnknown` where that is nonsense."""
    try:
        return read(response.content)
    except UnreadableResult as error:
        raise OutcomeUnknown(f"{endpoint.name} answered nonsense: {error}", answered=True) from None


def _retry_after(response: httpx.Response) -> float:
    pause = parse_retry_after(response.headers.get("Retry-After"), now=datetime.now(UTC))
    return 0.0 if pause is None else pause.total_seconds()
