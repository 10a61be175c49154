"""The batch half of the engine `azure`: a recording engine over the batch REST API.

A recording goes by these states, all of which another process can read (`sent`, and the jobs at Azure): why nothing is paid for
twice stands in docs/decisions/0021-azure-jobs.md.

    nothing known ─▶ gathered ─▶ noted as sent ─▶ in a job at Azure ─▶ result copied ─▶ job deleted
"""

import asyncio
import hashlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import httpx
import structlog

from steno.background import pause
from steno.errors import Retryable
from steno.events.recognition import RecognitionOptions
from steno.retry import RetryPolicy
from steno.settings import LinkSettings
from steno.storage.objects import ObjectStore
from steno_transcriber.azure.audio_urls import AudioUrls
from steno_transcriber.azure.client import PAUSES, TIMEOUT, AzureClient
from steno_transcriber.azure.credentials import Credentials
from steno_transcriber.azure.fast import FastTranscription
from steno_transcriber.azure.followed_job import FollowedJob, Following, SendAgain
from steno_transcriber.azure.jobs import Jobs
from steno_transcriber.azure.keys import key_of
from steno_transcriber.azure.languages import LANGUAGES
from steno_transcriber.azure.result import Result
from steno_transcriber.azure.sending import Sending
from steno_transcriber.azure.sent import Sent, SentRecordings
from steno_transcriber.azure.settings import AzureSettings
from steno_transcriber.azure.tasks import Tasks
from steno_transcriber.azure.webhook_registration import WebhookRegistration
from steno_transcriber.azure.wire import Api
from steno_transcriber.engines.port import (
    EngineInfo,
    EngineUnavailable,
    RecognitionFailed,
    RecordingAnswer,
    RecordingReference,
    Unsupported,
    UnsupportedLocale,
)
from steno_transcriber.engines.refusals import refusal_of

log = structlog.get_logger("steno.transcriber.azure")

SENDINGS = 3
"""How often a recording is sent whose job failed for a reason that may pass."""

_SWEEP_SECONDS = 6 * 3600.0

MakeFast = Callable[[AzureClient], FastTranscription]


def azure_info(settings: AzureSettings) -> EngineInfo:
    """The identity of the engine: a service has no weights, so the digest is that of its name and version."""
    digest = hashlib.sha256(f"Azure Speech {settings.api_version}".encode()).hexdigest()
    return EngineInfo(name="azure", model="speech", digest=digest, languages=LANGUAGES)


class AzureBatch:
    """Recognises recordings by jobs at Azure. A component of the service, used on one event loop."""

    def __init__(
        self,
        settings: AzureSettings,
        links: LinkSettings,
        store: ObjectStore,
        *,
        make_fast: MakeFast | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        pauses: RetryPolicy = PAUSES,
    ) -> None:
        """
        Args:
            make_fast: Makes what recognises short recordings at once.
            pauses: How long an endpoint that refuses is left alone, where it does not say.

        Raises:
            SecretFileUnreadable: a file of secrets is there but cannot be read.
        """
        self._settings = settings
        self._info = azure_info(settings)
        self._http = httpx.AsyncClient(timeout=TIMEOUT, limits=httpx.Limits(max_connections=50), follow_redirects=False)
        api = Api(settings.api_version)
        credentials = Credentials(settings, self._http)
        client = AzureClient(self._http, credentials, api, pauses=pauses)
        # With pauses of its own: an endpoint that takes no webhooks is used all the same.
        self._webhook = WebhookRegistration(settings, AzureClient(self._http, credentials, api, pauses=pauses))
        valid_for = timedelta(hours=settings.url_hours)
        self._sent = SentRecordings(store)
        self._urls = AudioUrls(store, links, valid_for=valid_for, clock=clock)
        self._tasks, self._job_tasks = Tasks(), Tasks()
        self._work: dict[str, asyncio.Task[Result]] = {}
        self._following = following = Following(
            client=client,
            sent=self._sent,
            urls_valid=valid_for,
            not_started_seconds=settings.not_started_seconds,
            clock=clock,
            expects_events=self._webhook.is_registered,
        )
        self._jobs = Jobs(following, name=settings.job_name, wanted=lambda: self._work, tasks=self._job_tasks)
        self._sending = Sending(settings, client, api, self._jobs, self._sent, self._urls, tasks=self._job_tasks, clock=clock)
        self._fast = make_fast(client) if make_fast is not None else None
        self._stopping = asyncio.Event()

    @property
    def info(self) -> EngineInfo:
        """Name, model, digest and languages."""
        return self._info

    def refusal(self, options: RecognitionOptions) -> Unsupported | None:
        """Why it cannot serve these options."""
        if (unknown := refusal_of(self._info, options)) is not None:
            return unknown
        if not options.locale and not options.candidate_locales:
            return UnsupportedLocale("Azure needs a language, or the languages among which it is to choose")
        return None

    async def recognise(self, recording: RecordingReference) -> RecordingAnswer:
        """Recognises a recording."""
        if (refusal := self.refusal(recording.options)) is not None:
            raise refusal
        self._urls.check(recording.url)
        if self._stopping.is_set():
            raise EngineUnavailable("the transcriber stops")
        key = key_of(recording)
        task = self._work.get(key)
        if task is None:
            task = self._work[key] = self._tasks.start(self._recognise(key, recording))
        await asyncio.wait({task})  # which a cancellation of this wait does not end
        if task.cancelled():
            raise EngineUnavailable("the transcriber stops, or the recording was given up")
        result = task.result()
        missing = sorted(set(recording.channels) - result.channels) if result.channels else []
        if missing:
            there = ", ".join(map(str, sorted(result.channels)))
            raise RecognitionFailed(
                f"Azure answered nothing for channel {missing[0]} of the recording, only for {there}: does it have that one?"
            )
        return result.answer

    async def forget(self, recording: RecordingReference) -> None:
        """Gives up a recording; its job is deleted where no other recording of it is wanted."""
        key = key_of(recording)
        if (task := self._work.get(key)) is not None:
            task.cancel()
            await asyncio.wait({task})
        self._jobs.forget(key)

    def wake(self, job_id: str) -> bool:
        """Asks for a job now that is said to have ended. False where this process does not follow it."""
        return self._jobs.wake(job_id)

    async def run(self) -> None:
        """Registers its webhook, clears away what earlier processes left, then works until `stop`."""
        self._job_tasks.start(self._webhook.run())
        while not self._stopping.is_set():
            # `stop` ends it, before it closes the connections.
            await asyncio.wait({self._job_tasks.start(self._clear())})
            await pause(_SWEEP_SECONDS, self._stopping)

    async def stop(self) -> None:
        """Ends all work here; jobs go on at Azure, and are found again."""
        self._stopping.set()
        self._sending.close()
        await self._tasks.cancel_all()
        await self._job_tasks.cancel_all()
        await self._http.aclose()

    def close(self) -> None:
        """Does nothing: `stop` has released everything."""

    async def _clear(self) -> None:
        try:
            await self._sent.sweep()
        except Retryable as error:
            log.warning("azure.not_swept", reason=str(error))
        for endpoint in self._settings.endpoints:
            try:
                await self._jobs.look(endpoint)
            except Retryable as error:
                log.warning("azure.not_cleared", endpoint=endpoint.name, reason=str(error))

    async def _recognise(self, key: str, recording: RecordingReference) -> Result:
        try:
            return await self._answered(key, recording)
        except RecognitionFailed:
            await self._sent.delete(key)  # it failed, so it was not paid for; whoever asks again has it tried again
            raise
        finally:
            del self._work[key]

    async def _answered(self, key: str, recording: RecordingReference) -> Result:
        state = await self._sent.read(key)
        if state is None and self._fast is not None:
            state = await self._fast.recognise(recording)
            if state is not None:
                await self._sent.write(key, state)
        alone, failures = False, 0
        while not isinstance(state, Result):
            try:
                job = None if state is None else await self._found(key, state)
                if job is None:
                    # It may have been answered and its job deleted since.
                    state = None if state is None else await self._sent.read(key)
                    if isinstance(state, Result):
                        return state
                    job = await self._sending.send(key, recording, claimed=state is not None, alone=alone)
                return await job.outcome(key)
            except SendAgain as error:
                failures += 1
                if failures == SENDINGS:
                    raise RecognitionFailed(f"{error} (sent {SENDINGS} times)") from None
                log.warning("azure.sent_again", recording_id=recording.recording_id, reason=str(error))
                alone, state = alone or error.alone, None
                await self._sent.delete(key)
        return state

    async def _found(self, key: str, sent: Sent) -> FollowedJob | None:
        """The job that may have been sent with a recording; None where there is none."""
        endpoint = next((endpoint for endpoint in self._settings.endpoints if endpoint.url == sent.endpoint_url), None)
        if endpoint is None:
            if sent.endpoint_url:
                log.warning("azure.endpoint_removed", endpoint=sent.endpoint_url)
            return None
        return await self._jobs.find(endpoint, key, sent)
