"""Tells a peer what is understood of its call: every phrase once, also those that were said while it was not connected.

Captions are followed from now on. What came before, unless the call only begins, and what was missed (the connection was lost,
too much waited, Kafka or this process was away), is in the ledger a moment later. That something is missing is told by the
numbers of phrases, which have no holes.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

import structlog

from steno.errors import Retryable
from steno.events import ids
from steno.events.records import Hypothesis, Phrase, Record, TranscriptCompleted, TranscriptFailed
from steno.kafka.errors import FollowerTooSlow
from steno.kafka.messages import Message
from steno_ingest.calls.hosting.caption_progress import CaptionProgress

log = structlog.get_logger("steno.ingest.calls")

_TOGETHER = 50
"""Phrases that are looked up at once; before more are, the peer has read most of them."""

_LEDGER_SECONDS = 3.0
"""How long what comes is held back while it is looked up what came before."""

_RETRY_SECONDS = 1.0

_SHORTEST_PAUSE, _LONGEST_PAUSE = 1.0, 30.0

_LEDGER_LATE_SECONDS = 8.0
"""The ledger learns of phrases a moment later than who follows them, and by seconds later where this process has just begun."""


class Captions(Protocol):
    """What is needed of `steno.kafka.FollowedKeys`."""

    def follow(self, key: str, *, limit: int = 1000) -> AbstractContextManager[AsyncIterator[Message]]: ...


class SaidBefore(Protocol):
    """What is needed of `steno_ingest.calls.ledger.queries.CallQueries`."""

    async def live_phrases(
        self, call_id: str, *, tenant: str, first: int, limit: int
    ) -> tuple[Sequence[Phrase], int | None]: ...


class CaptionFeed:
    """Tells one peer what is understood of its call, for as long as it is connected."""

    def __init__(
        self,
        call_id: str,
        captions: Captions,
        said_before: SaidBefore,
        progress: CaptionProgress,
        *,
        tenant: str,
        begins: bool,
        tell: Callable[[Hypothesis | Phrase], None],
        room: Callable[[], Awaitable[None]],
        now: Callable[[], float],
    ) -> None:
        """
        Args:
            progress: Keeps which phrases were told.
            tenant: Whose the call is. What is somebody else's is of another call, which began by the same id.
            begins: The call begins with this connection: nothing was said before it is followed.
            tell: Takes what the peer is to hear.
            room: Returns when the peer has read most of what it was told.
            now: Seconds of a monotonic clock.
        """
        self._call_id = call_id
        self._live_pass_id = ids.live_pass_id(call_id)
        self._captions = captions
        self._said_before = said_before
        self._progress = progress
        self._tenant = tenant
        self._begins = begins
        self._tell = tell
        self._room = room
        self._now = now
        self._looked_in_vain = False
        #: Captions are followed anew.
        self._following = asyncio.Event()

    async def run(self) -> None:
        """Works until captions end, which they do with this process."""
        async with asyncio.TaskGroup() as tasks:
            looking = tasks.create_task(self._look_again())
            await self._follow()
            looking.cancel()

    async def _follow(self) -> None:
        may_have_missed = not self._begins
        while True:
            try:
                with self._captions.follow(self._call_id) as following:
                    if may_have_missed:
                        self._following.set()
                        await self._look_up()
                    may_have_missed = True
                    async for message in following:
                        await self._handle(message.record)
                return
            except FollowerTooSlow:
                log.warning("call.captions_skipped", call_id=self._call_id)
            except Retryable as error:
                may_have_missed = True
                log.warning("call.captions_away", call_id=self._call_id, reason=str(error))
                await asyncio.sleep(_RETRY_SECONDS)

    async def _handle(self, record: Record | None) -> None:
        if getattr(record, "recording_id", None) != self._live_pass_id or getattr(record, "tenant", None) != self._tenant:
            return
        match record:
            case Hypothesis():
                self._tell(record)
            case Phrase():
                if record.sequence > self._progress.first_missing:
                    await self._look_up()
                self._add_phrase(record)
            case TranscriptCompleted():
                self._progress.complete(record.phrase_count, at=self._now())
                if self._progress.behind:
                    await self._look_up()
            case TranscriptFailed():
                self._progress.complete(0, at=self._now())

    def _add_phrase(self, phrase: Phrase) -> None:
        # What comes again says nothing new, unless it is corrected.
        if self._progress.add_phrase(phrase.sequence) or phrase.revision:
            self._tell(phrase)

    async def _look_up(self) -> None:
        """Tells what the ledger knows and the peer does not."""
        first = self._progress.first_missing
        while True:
            await self._room()
            try:
                # Not by `wait_for`, which loses a cancellation that comes together with the answer (CPython issue 86296).
                async with asyncio.timeout(_LEDGER_SECONDS):
                    phrases, count = await self._said_before.live_phrases(
                        self._call_id, tenant=self._tenant, first=first, limit=_TOGETHER
                    )
            except (Retryable, TimeoutError) as error:
                log.warning("call.captions_not_looked_up", call_id=self._call_id, reason=str(error))
                self._looked_in_vain = True
                return
            for phrase in phrases:
                if self._progress.add_phrase(phrase.sequence):
                    self._tell(phrase)
            if count is not None:
                self._progress.complete(count, at=self._now())
            if len(phrases) < _TOGETHER:
                self._looked_in_vain = False
                return
            first = phrases[-1].sequence + 1

    async def _look_again(self) -> None:
        """Looks up again what came before, where something may have: a few times in any case, and then as long as something is
        missing."""
        pause = _LONGEST_PAUSE if self._begins else _SHORTEST_PAUSE
        while True:
            try:
                async with asyncio.timeout(pause):
                    await self._following.wait()
                self._following.clear()
                pause = _SHORTEST_PAUSE
            except TimeoutError:
                if pause <= _LEDGER_LATE_SECONDS or self._looked_in_vain or self._progress.behind:
                    await self._look_up()
                pause = min(2 * pause, _LONGEST_PAUSE)
