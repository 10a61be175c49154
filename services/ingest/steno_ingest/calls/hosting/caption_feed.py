"""Sends the captions of a call to its peer: every phrase once, including those from while it was not connected.

New captions are followed on Kafka. Earlier phrases, and phrases that were missed (because the connection was lost, too many
waited, or Kafka or this process was down), are read from the ledger, which gets them a moment later. Missed phrases are
detected by their sequence numbers, which have no gaps.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

import structlog

from steno.errors import Retryable
from steno.events import ids
from steno.events.records import CaptionsReached, Hypothesis, Phrase, Record, TranscriptCompleted, TranscriptFailed
from steno.kafka.errors import FollowerTooSlow
from steno.kafka.messages import Message
from steno_ingest.calls.hosting.caption_progress import CaptionProgress

log = structlog.get_logger("steno.ingest.calls")

_TOGETHER = 50
"""How many phrases one look-up reads; the next one waits until the peer has read most of them."""

_LEDGER_SECONDS = 3.0
"""How long new captions are held back during a look-up of earlier ones."""

_RETRY_SECONDS = 1.0

_SHORTEST_PAUSE, _LONGEST_PAUSE = 1.0, 30.0

_LEDGER_LATE_SECONDS = 8.0
"""How much later than a follower the ledger may get phrases: usually a moment, but seconds if this process has just started."""


class Captions(Protocol):
    """The methods used of `steno.kafka.FollowedKeys`."""

    def follow(self, key: str, *, limit: int = 1000) -> AbstractContextManager[AsyncIterator[Message]]: ...


class EarlierPhrases(Protocol):
    """The methods used of `steno_ingest.calls.ledger.queries.CallQueries`."""

    async def live_phrases(
        self, call_id: str, *, tenant: str, first: int, limit: int
    ) -> tuple[Sequence[Phrase], int | None]: ...


class CaptionFeed:
    """Sends captions to one peer as long as it is connected."""

    def __init__(
        self,
        call_id: str,
        captions: Captions,
        earlier_phrases: EarlierPhrases,
        progress: CaptionProgress,
        *,
        tenant: str,
        begins: bool,
        send: Callable[[Hypothesis | Phrase], None],
        reach: Callable[[int], None],
        room: Callable[[], Awaitable[None]],
        now: Callable[[], float],
    ) -> None:
        """
        Args:
            progress: Tracks which phrases were sent.
            tenant: The tenant of the call. Captions of another tenant belong to another call with the same id.
            begins: Whether the call began with this connection, so that there are no earlier phrases.
            send: Sends a caption to the peer.
            reach: Called with a time in milliseconds when all phrases of audio before it were sent, and nobody speaks at it.
            room: Waits until the peer has read most of its messages.
            now: Seconds of a monotonic clock.
        """
        self._call_id = call_id
        self._live_pass_id = ids.live_pass_id(call_id)
        self._captions = captions
        self._earlier_phrases = earlier_phrases
        self._progress = progress
        self._tenant = tenant
        self._begins = begins
        self._send = send
        self._reach = reach
        self._room = room
        self._now = now
        self._look_up_failed = False
        #: Set when following has started again.
        self._following = asyncio.Event()

    async def run(self) -> None:
        """Works until the process stops."""
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
                self._send(record)
            case Phrase():
                if record.sequence > self._progress.first_missing:
                    await self._look_up()
                self._add_phrase(record)
            case TranscriptCompleted():
                self._progress.complete(record.phrase_count, at=self._now())
                if self._progress.behind:
                    await self._look_up()
            case CaptionsReached():
                self._progress.reach(record.until_ms, record.phrase_count)
                self._report_reached()
            case TranscriptFailed():
                self._progress.complete(0, at=self._now(), failure=record.reason)

    def _add_phrase(self, phrase: Phrase) -> None:
        # A repeated phrase is sent only if it was corrected.
        if self._progress.add_phrase(phrase.sequence) or phrase.revision:
            self._send(phrase)
            self._report_reached()

    def _report_reached(self) -> None:
        if (until_ms := self._progress.reached()) is not None:
            self._reach(until_ms)

    async def _look_up(self) -> None:
        """Sends the phrases that the ledger has and the peer does not."""
        first = self._progress.first_missing
        while True:
            await self._room()
            try:
                # Not `wait_for`, which loses a cancellation that comes together with the result (CPython issue 86296).
                async with asyncio.timeout(_LEDGER_SECONDS):
                    phrases, count = await self._earlier_phrases.live_phrases(
                        self._call_id, tenant=self._tenant, first=first, limit=_TOGETHER
                    )
            except (Retryable, TimeoutError) as error:
                log.warning("call.captions_not_looked_up", call_id=self._call_id, reason=str(error))
                self._look_up_failed = True
                return
            for phrase in phrases:
                if self._progress.add_phrase(phrase.sequence):
                    self._send(phrase)
            self._report_reached()
            if count is not None:
                self._progress.complete(count, at=self._now())
            if len(phrases) < _TOGETHER:
                self._look_up_failed = False
                return
            first = phrases[-1].sequence + 1

    async def _look_again(self) -> None:
        """Repeats the look-up of earlier phrases: a few times in any case, then as long as phrases are missing."""
        pause = _LONGEST_PAUSE if self._begins else _SHORTEST_PAUSE
        while True:
            try:
                async with asyncio.timeout(pause):
                    await self._following.wait()
                self._following.clear()
                pause = _SHORTEST_PAUSE
            except TimeoutError:
                if pause <= _LEDGER_LATE_SECONDS or self._look_up_failed or self._progress.behind:
                    await self._look_up()
                pause = min(2 * pause, _LONGEST_PAUSE)
