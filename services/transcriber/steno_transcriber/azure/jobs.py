"""The jobs at Azure that this process follows, and how they are found again."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import timedelta

import structlog

from steno_transcriber import metrics
from steno_transcriber.azure import wire
from steno_transcriber.azure.endpoints import Endpoint
from steno_transcriber.azure.followed_job import FollowedJob, Following, best_of
from steno_transcriber.azure.keys import recordings_of
from steno_transcriber.azure.result import Result
from steno_transcriber.azure.sent import Sent
from steno_transcriber.azure.tasks import Tasks

log = structlog.get_logger("steno.transcriber.azure")

ORPHANED = timedelta(hours=1)
"""A job that has ended, was made so long ago, and that nobody here waits for, is cleared away: its results are copied."""

_LOOK_EVERY_SECONDS = 10.0


class Jobs:
    """All jobs that this process follows."""

    def __init__(self, following: Following, *, name: str, wanted: Callable[[], Iterable[str]], tasks: Tasks) -> None:
        """
        Args:
            name: Display name of the jobs at Azure.
            wanted: The keys of the recordings that somebody in this process waits for.
        """
        self._with = following
        self._name = name
        self._wanted = wanted
        self._tasks = tasks
        self._followed: dict[tuple[str, str], FollowedJob] = {}
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        #: When the last list of each endpoint was asked for, by the clock of the event loop.
        self._looked: dict[str, float] = {}

    def follow(self, endpoint: Endpoint, job: wire.Job, recordings: Mapping[str, str]) -> FollowedJob:
        """Follows a job for some of its recordings (keys by address), once."""
        place = (endpoint.url, job.id)
        followed = self._followed.get(place)
        if followed is None:
            followed = self._followed[place] = FollowedJob(endpoint, job, recordings, self._with)
            self._tasks.start(self._run(place, followed))
        return followed

    def forget(self, key: str) -> None:
        """Notes that a recording is no longer wanted."""
        for job in self._followed.values():
            if key in job.keys:
                job.forget(key)

    def wake(self, job_id: str) -> bool:
        """Asks for a job now that is said to have ended. False where this process does not follow it."""
        found = [job for job in self._followed.values() if job.id == job_id]
        for job in found:
            job.wake()
        return bool(found)

    async def find(self, endpoint: Endpoint, key: str, sent: Sent) -> FollowedJob | None:
        """Finds the job that may have been sent with a recording; None once it is certain that there is none.

        Raises:
            EngineUnavailable: the endpoint cannot be asked now.
        """
        while True:
            if (followed := self._with_key(key)) is not None:
                return followed
            wait = (sent.settled_at - self._with.clock()).total_seconds()
            await self.look(endpoint)
            if (followed := self._with_key(key)) is not None:
                return followed
            if wait <= 0:
                return None
            await self._with.sleep(min(wait, _LOOK_EVERY_SECONDS))

    async def look(self, endpoint: Endpoint) -> None:
        """Lists the jobs of an endpoint; follows those that somebody waits for, and clears away those that nobody needs.

        One list answers all who asked before it was begun. Raises `EngineUnavailable`, `StoreUnavailable`.
        """
        clock = asyncio.get_running_loop().time
        asked = clock()
        async with self._locks[endpoint.url]:
            if self._looked.get(endpoint.url, -1.0) >= asked:
                return
            began = clock()
            jobs = await self._with.client.find(endpoint, self._name)
            self._looked[endpoint.url] = began
            await self._take(endpoint, jobs)

    async def _take(self, endpoint: Endpoint, jobs: Sequence[wire.Job]) -> None:
        recordings = {job.id: recordings_of(job.custom) for job in jobs}
        holders: defaultdict[str, list[wire.Job]] = defaultdict(list)
        for job in jobs:
            for key in recordings[job.id].values():
                holders[key].append(job)
        best = {key: best_of(found).id for key, found in holders.items()}
        wanted = set(self._wanted())
        for job in jobs:
            own = {address: key for address, key in recordings[job.id].items() if best[key] == job.id}
            if not own and recordings[job.id]:
                log.warning("azure.duplicate_job", endpoint=endpoint.name, job=job.id, status=job.status)
                metrics.AZURE_JOBS.labels(endpoint.name, "duplicate").inc()
                self.follow(endpoint, job, recordings[job.id]).discard()
            elif wanted.intersection(own.values()):
                self.follow(endpoint, job, own)
            elif own and job.has_ended and await self._is_answered(own.values()):
                self.follow(endpoint, job, own).discard()  # whoever copied its results did not come to delete it
            elif own and job.has_ended and self._with.clock() - job.created > ORPHANED:
                self.follow(endpoint, job, own)

    async def _is_answered(self, keys: Iterable[str]) -> bool:
        for key in keys:
            if not isinstance(await self._with.sent.read(key), Result):
                return False
        return True

    def _with_key(self, key: str) -> FollowedJob | None:
        return next((job for job in self._followed.values() if key in job.keys and not job.is_discarded), None)

    async def _run(self, place: tuple[str, str], followed: FollowedJob) -> None:
        try:
            await followed.run()
        finally:
            del self._followed[place]
