"""Gathers recordings into jobs, and sends each job to the first endpoint that takes it."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog

from steno.errors import StenoError
from steno_transcriber.azure.audio_urls import AudioUrls
from steno_transcriber.azure.client import REQUEST_SECONDS, AzureClient, OutcomeUnknown, RequestRefused
from steno_transcriber.azure.endpoints import Endpoint
from steno_transcriber.azure.followed_job import FollowedJob, SendAgain
from steno_transcriber.azure.jobs import Jobs
from steno_transcriber.azure.keys import address_of, custom_properties
from steno_transcriber.azure.sent import Sent, SentRecordings
from steno_transcriber.azure.settings import AzureSettings
from steno_transcriber.azure.tasks import Tasks
from steno_transcriber.azure.wire import Api
from steno_transcriber.engines.port import EngineUnavailable, RecognitionFailed, RecordingReference

log = structlog.get_logger("steno.transcriber.azure")

SETTLED_AFTER = timedelta(seconds=REQUEST_SECONDS + 15)
"""So long after a request was begun it has had its effect, or will have none: it is given up before."""

DEFAULT_CHANNELS = 2
"""Azure takes the first two channels where none are named."""


@dataclass(slots=True, kw_only=True, eq=False)
class _Waiting:
    """A recording that waits to be sent."""

    key: str
    recording: RecordingReference
    #: Whether a note that it is being sent may be replaced: it is this process's, or is of a job that is not there.
    claimed: bool
    job: "asyncio.Future[FollowedJob]"
    url: str = ""


@dataclass(slots=True, eq=False)
class _Group:
    """Recordings for one job: with the same options, and different addresses."""

    waiting: list[_Waiting] = field(default_factory=list)
    timer: asyncio.TimerHandle | None = None


class Sending:
    """Sends recordings in jobs."""

    def __init__(
        self,
        settings: AzureSettings,
        client: AzureClient,
        api: Api,
        jobs: Jobs,
        sent: SentRecordings,
        urls: AudioUrls,
        *,
        tasks: Tasks,
        clock: Callable[[], datetime],
    ) -> None:
        self._settings = settings
        self._client = client
        self._api = api
        self._jobs = jobs
        self._sent = sent
        self._urls = urls
        self._tasks = tasks
        self._clock = clock
        self._groups: dict[tuple[str, ...], _Group] = {}
        self._closed = False

    async def send(self, key: str, recording: RecordingReference, *, claimed: bool, alone: bool) -> FollowedJob:
        """Sends a recording, together with others or alone; returns its job.

        Raises:
            SendAgain: the job was refused, maybe for another recording of it.
            RecognitionFailed, EngineUnavailable, Unsupported: as the port.
        """
        waiting = _Waiting(key=key, recording=recording, claimed=claimed, job=asyncio.get_running_loop().create_future())
        name = (_options_of(recording), address_of(recording.url) if alone else "")
        group = self._groups.setdefault(name, _Group())
        if any(address_of(other.recording.url) == address_of(recording.url) for other in group.waiting):
            self._close(name)  # results are told apart by address
            group = self._groups.setdefault(name, _Group())
        group.waiting.append(waiting)
        if alone or len(group.waiting) >= self._settings.job_recordings:
            self._close(name)
        elif group.timer is None:
            group.timer = asyncio.get_running_loop().call_later(self._settings.job_seconds, self._close, name)
        return await waiting.job

    def close(self) -> None:
        """Sends nothing of what waits to be sent."""
        self._closed = True
        for group in self._groups.values():
            if group.timer is not None:
                group.timer.cancel()
            _fail(group.waiting, EngineUnavailable("the transcriber stops"))
        self._groups.clear()

    def _close(self, name: tuple[str, ...]) -> None:
        group = self._groups.pop(name, None)
        if group is not None:
            if group.timer is not None:
                group.timer.cancel()
            self._tasks.start(self._send(group.waiting))

    async def _send(self, waiting: Sequence[_Waiting]) -> None:
        ready: list[_Waiting] = []
        try:
            ready += [each for each in waiting if await self._is_ready(each)]
            if ready:
                await self._send_ready(ready)
        except StenoError as error:
            _fail(ready, error)
        finally:
            _fail(waiting, EngineUnavailable("the recording was not sent"))

    async def _is_ready(self, waiting: _Waiting) -> bool:
        """Makes the URL by which Azure reads a recording; False where nobody waits any more, or there is none."""
        if waiting.job.done():
            return False
        try:
            waiting.url = await self._urls.of(waiting.recording.url)
        except StenoError as error:
            _fail([waiting], error)
            return False
        return True

    async def _send_ready(self, ready: list[_Waiting]) -> None:
        refusals: list[EngineUnavailable] = []
        for endpoint in self._settings.endpoints:
            try:
                self._client.check(endpoint)
                ready = await self._claimed(ready, endpoint)
                if ready:
                    await self._submit(endpoint, ready)
                return
            except OutcomeUnknown as error:
                if error.answered:  # whatever it did is done
                    await self._note(ready, Sent(endpoint_url=endpoint.url, settled_at=self._clock()))
                raise
            except EngineUnavailable as error:
                refusals.append(error)
            except RequestRefused as error:
                await self._release(ready)
                reason = f"Azure refused the recording: {error}"
                raise (SendAgain(reason, alone=True) if len(ready) > 1 else RecognitionFailed(reason)) from None
        await self._release(ready)
        raise EngineUnavailable(
            "; ".join(map(str, refusals)), again_in_seconds=min(error.again_in_seconds for error in refusals)
        )

    async def _submit(self, endpoint: Endpoint, ready: Sequence[_Waiting]) -> None:
        recordings = {address_of(each.url): each.key for each in ready}
        first = ready[0].recording
        most = max(first.channels, default=0) + 1
        request = self._api.submit(
            [each.url for each in ready],
            first.options,
            channels=range(most) if most > DEFAULT_CHANNELS else (),
            name=self._settings.job_name,
            custom=custom_properties(recordings),
        )
        job = await self._client.submit(endpoint, request)
        log.info("azure.job_sent", endpoint=endpoint.name, job=job.id, recordings=len(ready))
        followed = self._jobs.follow(endpoint, job, recordings)
        for each in ready:
            if not each.job.done():
                each.job.set_result(followed)
            elif each.job.cancelled() and not self._closed:
                followed.forget(each.key)  # it was given up while it was sent; at a stop another process wants it

    async def _claimed(self, ready: Sequence[_Waiting], endpoint: Endpoint) -> list[_Waiting]:
        """Notes that recordings are being sent to an endpoint; leaves out those that another process is sending."""
        sent = Sent(endpoint_url=endpoint.url, settled_at=self._clock() + SETTLED_AFTER)
        own = []
        for each in ready:
            if each.claimed:
                await self._sent.write(each.key, sent)
            elif not await self._sent.claim(each.key, sent):
                _fail([each], EngineUnavailable("another process sends the recording"))
                continue
            each.claimed = True
            own.append(each)
        return own

    async def _note(self, ready: Sequence[_Waiting], sent: Sent) -> None:
        for each in ready:
            await self._sent.write(each.key, sent)

    async def _release(self, ready: Sequence[_Waiting]) -> None:
        """Takes back what this process has noted; what another one has is not touched."""
        for each in ready:
            if each.claimed:
                await self._sent.delete(each.key)


def _options_of(recording: RecordingReference) -> str:
    """What the recordings of a job have in common."""
    return f"{recording.options.model_dump_json(exclude={'hints'})} {max(recording.channels, default=0)}"


def _fail(waiting: Sequence[_Waiting], error: StenoError) -> None:
    for each in waiting:
        if not each.job.done():
            each.job.set_exception(error)
