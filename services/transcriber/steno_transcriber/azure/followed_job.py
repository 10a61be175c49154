"""Follows one job at Azure to its end: polls it, copies its results into the object store, and deletes it."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from steno.errors import Retryable
from steno.retry import RetryPolicy
from steno_transcriber import metrics
from steno_transcriber.azure import wire
from steno_transcriber.azure.client import AzureClient, NoSuchJob
from steno_transcriber.azure.endpoints import Endpoint
from steno_transcriber.azure.keys import address_of
from steno_transcriber.azure.result import Result, UnreadableResult, read_result
from steno_transcriber.azure.sent import SentRecordings
from steno_transcriber.engines.port import EngineUnavailable, RecognitionFailed

log = structlog.get_logger("steno.transcriber.azure")

POLLS = RetryPolicy(first_seconds=1.0, longest_seconds=60.0)
"""How often a job is asked for, where Azure does not ask for longer pauses."""

_AT_LONGEST = 10
"""After so many polls the pauses are the longest."""

DELETIONS = 30
"""Attempts to delete a job, which deletes itself some days later."""

_READINGS = 3
"""Attempts to read a result that is nonsense, or is missing."""

_PASSING = frozenset(
    {"internal", "internalservererror", "timeout", "transient", "serviceunavailable", "internalcommunicationfailed"}
)
"""Codes of failed jobs whose recordings may be sent again (as Microsoft's own ingestion client does)."""


class SendAgain(EngineUnavailable):
    """A job ended without an answer for a recording, which may be sent again; `alone`: in a job of its own."""

    def __init__(self, *told: object, alone: bool = False) -> None:
        super().__init__(*told)
        self.alone = alone


@dataclass(frozen=True, slots=True, kw_only=True)
class Following:
    """What the jobs of a process have in common."""

    client: AzureClient
    sent: SentRecordings
    #: How long the URLs are valid that Azure was given.
    urls_valid: timedelta
    #: A job that has not started after this time is reported.
    not_started_seconds: float
    clock: Callable[[], datetime]
    #: Whether events are expected from an endpoint: until one comes, a job is asked for at the longest pauses.
    expects_events: Callable[[Endpoint], bool] = lambda _endpoint: False
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep


class FollowedJob:
    """A job, and those who wait for its recordings."""

    def __init__(self, endpoint: Endpoint, job: wire.Job, recordings: Mapping[str, str], with_: Following) -> None:
        """`recordings` are the keys, by address, of those that are this job's."""
        self.endpoint = endpoint
        self.id = job.id
        self.recordings = dict(recordings)
        self._created = job.created
        self._with = with_
        self._locale = job.locale
        self._outcomes: dict[str, Result | Exception] = {}
        self._news = asyncio.Event()
        self._unwanted: set[str] = set()
        self._given_up = asyncio.Event()
        self._woken = asyncio.Event()
        self._was_woken = False
        self._stalled = False
        #: Whether its recordings are another job's.
        self.is_discarded = False

    @property
    def keys(self) -> frozenset[str]:
        """The keys of its recordings."""
        return frozenset(self.recordings.values())

    async def outcome(self, key: str) -> Result:
        """The result of a recording, when it is there.

        Raises:
            RecognitionFailed: Azure's reason.
            EngineUnavailable: the job is gone, or has no answer; ask again.
        """
        while key not in self._outcomes:
            await self._news.wait()
        outcome = self._outcomes[key]
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def forget(self, key: str) -> None:
        """Notes that a recording is no longer wanted; a job without any that is wanted is deleted when Azure allows it."""
        self._unwanted.add(key)
        if self._unwanted >= self.keys:
            self._given_up.set()

    def wake(self) -> None:
        """Asks for the job now, and then as often as at first: it is said to have ended."""
        self._was_woken = True
        self._woken.set()

    def discard(self) -> None:
        """Delete the job as soon as Azure allows it, without its results: they are another job's."""
        self.is_discarded = True
        self._given_up.set()
        self._end({key: EngineUnavailable("another job has the recording") for key in self.keys})

    async def run(self) -> None:
        """Follow the job until it is deleted. Returns in any case; those who wait have an outcome then."""
        try:
            job = await self._ended()
            if job is not None and not self._given_up.is_set():
                await self._collect(job)
                metrics.AZURE_JOBS.labels(self.endpoint.name, job.status.lower()).inc()
            else:
                metrics.AZURE_JOBS.labels(self.endpoint.name, "given_up").inc()
            await self._delete()
        except NoSuchJob:
            metrics.AZURE_JOBS.labels(self.endpoint.name, "gone").inc()
            log.info("azure.job_gone", endpoint=self.endpoint.name, job=self.id)
        finally:
            self._note_stalled(False)
            self._end({key: EngineUnavailable("the job is no longer at Azure") for key in self.keys})

    async def _ended(self) -> wire.Job | None:
        """The job when it has ended; None where it was given up and could be deleted before. Raises `NoSuchJob`."""
        polls = 0
        while True:
            polls += 1
            wait = self._poll_pause(polls)
            try:
                if self._given_up.is_set():
                    await self._with.client.delete(self.endpoint, self.id)
                    return None
                job, asked = await self._with.client.job(self.endpoint, self.id)
                if job.has_ended:
                    return job
                self._watch(job)
                wait = max(wait, asked)
            except Retryable as error:
                if self._given_up.is_set() and (ended := await self._if_ended()) is not None:
                    return ended
                wait = max(wait, error.again_in_seconds)
                log.warning("azure.job_not_answered", endpoint=self.endpoint.name, job=self.id, reason=str(error))
            if await self._pause(wait):
                polls = 0

    def _poll_pause(self, polls: int) -> float:
        if not self._was_woken and self._with.expects_events(self.endpoint):
            polls = max(polls, _AT_LONGEST)
        return POLLS.after(polls)

    async def _if_ended(self) -> wire.Job | None:
        """A job that cannot be deleted now, if it has ended meanwhile."""
        try:
            job, _ = await self._with.client.job(self.endpoint, self.id)
        except Retryable:
            return None
        return job if job.has_ended else None

    async def _pause(self, seconds: float) -> bool:
        """Waits so long, or until the job is given up, or woken: then it returns True."""
        if self._given_up.is_set():
            await self._with.sleep(seconds)
            return False
        sleeping = asyncio.ensure_future(self._with.sleep(seconds))
        events = [asyncio.create_task(event.wait()) for event in (self._given_up, self._woken)]
        try:
            await asyncio.wait({sleeping, *events}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for waiting in (sleeping, *events):
                waiting.cancel()
        woken = self._woken.is_set()
        self._woken.clear()
        return woken

    def _watch(self, job: wire.Job) -> None:
        waited = (self._with.clock() - self._created).total_seconds()
        self._note_stalled(job.status == "NotStarted" and waited > self._with.not_started_seconds)

    def _note_stalled(self, stalled: bool) -> None:
        if stalled == self._stalled:
            return
        self._stalled = stalled
        metrics.AZURE_JOBS_STALLED.labels(self.endpoint.name).inc(1 if stalled else -1)
        if stalled:
            log.warning(
                "azure.job_not_started",
                endpoint=self.endpoint.name,
                job=self.id,
                since=self._created.isoformat(),
                recordings=len(self.recordings),
            )

    async def _collect(self, job: wire.Job) -> None:
        """Copies the results of a job that has ended, so that it can be deleted."""
        readings, attempts = 0, 0
        faults: dict[str, str] = {}
        while missing := self.keys - self._outcomes.keys():
            attempts += 1
            try:
                if readings == _READINGS:
                    self._end({key: self._without_answer(job, faults.get(key, "")) for key in missing})
                    return
                faults = await self._read(job)
                readings += 1
            except Retryable as error:
                log.warning("azure.results_not_read", endpoint=self.endpoint.name, job=self.id, reason=str(error))
            if self.keys - self._outcomes.keys() and readings < _READINGS:
                await self._with.sleep(POLLS.after(attempts))

    async def _read(self, job: wire.Job) -> dict[str, str]:
        """Reads the files of the job; returns what is wrong with those that are nonsense."""
        files = await self._with.client.files(self.endpoint, self.id)
        results = [file for file in files if file.kind == "Transcription"]
        faults: dict[str, str] = {}
        for file in results:
            content = await self._with.client.download(self.endpoint, file.links.content_url)
            try:
                # In a thread: that of a day of speech takes seconds, in which no live call would go on.
                source, result = await asyncio.to_thread(read_result, content, language=self._locale)
            except UnreadableResult as error:
                log.warning("azure.result_unreadable", job=self.id, file=file.name, reason=str(error))
                faults |= dict.fromkeys(self.keys, f"a result of its job cannot be read ({error})")
                continue
            key = self._key_of(source, alone=len(results) == 1)
            if key is not None and key not in self._outcomes:
                await self._with.sent.write(key, result)
                self._count(result)
                self._end({key: result})
        for file in files:
            if file.kind == "TranscriptionReport":
                self._read_report(job, await self._with.client.download(self.endpoint, file.links.content_url))
        return faults

    def _key_of(self, source: str, *, alone: bool) -> str | None:
        key = self.recordings.get(address_of(source))
        if key is None and alone and len(self.recordings) == 1:
            (key,) = self.keys  # whatever Azure calls it: there is no other
        if key is None:
            log.warning("azure.result_of_another", job=self.id, endpoint=self.endpoint.name)
        return key

    def _read_report(self, job: wire.Job, content: bytes) -> None:
        try:
            entries = wire.read_report(content)
        except UnreadableResult as error:
            log.warning("azure.report_unreadable", job=self.id, reason=str(error))
            return
        for entry in entries:
            key = self._key_of(entry.address, alone=len(entries) == 1) if entry.reason else None
            if key is not None and key not in self._outcomes:
                self._end({key: self._failure(f"Azure could not transcribe it: {entry.reason}")})

    def _failure(self, reason: str) -> Exception:
        """The outcome of a recording that failed, unless its URL may have expired before Azure read it."""
        if self._with.clock() - self._created > self._with.urls_valid:
            return SendAgain(f"its URL had expired when Azure read it ({reason})")
        return RecognitionFailed(reason)

    def _without_answer(self, job: wire.Job, fault: str) -> Exception:
        """The outcome of a recording that the files of the job say nothing of."""
        if job.status == "Succeeded":
            return RecognitionFailed(
                f"Azure answered nothing for it that can be used: {fault or 'there is no result, and no reason'}"
            )
        reason = ": ".join(part for part in (job.error.code, job.error.message) if part) or "no reason was given"
        if job.error.code.lower() in _PASSING:
            return SendAgain(f"the job failed at Azure: {reason}")
        if len(self.recordings) > 1:
            return SendAgain(f"the job of {len(self.recordings)} recordings failed at Azure: {reason}", alone=True)
        return self._failure(f"the job failed at Azure: {reason}")

    def _count(self, result: Result) -> None:
        seconds = result.answer.duration_ms / 1000 * max(1, len(result.channels))
        metrics.AZURE_AUDIO_SECONDS.labels(self.endpoint.name, "batch").inc(seconds)

    async def _delete(self) -> None:
        for attempt in range(1, DELETIONS + 1):
            try:
                await self._with.client.delete(self.endpoint, self.id)
                return
            except Retryable as error:
                wait = max(POLLS.after(attempt), error.again_in_seconds)
                log.warning("azure.job_not_deleted", endpoint=self.endpoint.name, job=self.id, reason=str(error))
            await self._with.sleep(wait)

    def _end(self, outcomes: Mapping[str, Result | Exception]) -> None:
        for key, outcome in outcomes.items():
            self._outcomes.setdefault(key, outcome)
        self._news.set()
        self._news = asyncio.Event()


def best_of(jobs: Iterable[wire.Job]) -> wire.Job:
    """The job to be used, of several with the same recording: one that has not failed, then the earliest."""
    return min(jobs, key=lambda job: (job.status == "Failed", job.created, job.id))
