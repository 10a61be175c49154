"""Publishes how far the captions of one call are, whichever kind of engine makes them.

| a record is published | and where Kafka does not take it |
|---|---|
| where the audio breaks off, once all that was said before is published | it is sent again: somebody waits for it |
| about every `APART_MS` of audio, for a time at which nobody speaks | it is dropped |

One record is on its way at a time; of those that come meanwhile, only the newest is published. Phrases never wait for it.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog

from steno.errors import StenoError
from steno.events import ids
from steno.events.catalogue import HYPOTHESES
from steno.events.records import CaptionsReached
from steno.kafka.errors import KafkaUnavailable
from steno.retry import RetryPolicy
from steno_transcriber.live.call import LiveCall
from steno_transcriber.publisher import Publisher

log = structlog.get_logger("steno.transcriber.live")

APART_MS = 5_000
"""How much audio lies between two records while it does not break off."""

LOOKED_AGAIN_MS = 250
"""After so much audio a call in which somebody spoke is checked again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A time of a call, to be published once all that was said before is published."""

    until_ms: int
    #: Whether the audio broke off there, so that somebody may wait for it.
    awaited: bool


class Marks:
    """Decides at which times of a call a record is due."""

    def __init__(self, call: LiveCall) -> None:
        self._call = call
        self._marked_ms = 0
        self._look_at_ms = APART_MS
        #: The last mark that is not published yet.
        self._waiting: Mark | None = None

    def at_break(self) -> Mark | None:
        """The mark where the audio broke off with the last record; None where it did not, or where that mark still waits."""
        until_ms = self._call.broke_off_ms
        if until_ms is None or (self._waiting is not None and self._waiting.until_ms == until_ms):
            return None
        self._waiting = self._mark(until_ms, awaited=True)
        return self._waiting

    def in_silence(self, transcribed_ms: int) -> Mark | None:
        """The mark at a time at which nobody speaks, where one is due. Cheap: called with every record.

        Args:
            transcribed_ms: How far the call is cut into utterances, or answered.
        """
        if transcribed_ms < self._look_at_ms:
            return None
        self._look_at_ms = transcribed_ms + LOOKED_AGAIN_MS
        until_ms = self._call.quiet_until_ms
        return None if until_ms is None or until_ms < self._marked_ms + APART_MS else self._mark(until_ms, awaited=False)

    def take(self, mark: Mark) -> None:
        """Notes that all that was said before a mark is published."""
        if mark is self._waiting:
            self._waiting = None

    def _mark(self, until_ms: int, *, awaited: bool) -> Mark:
        self._marked_ms, self._look_at_ms = until_ms, until_ms + APART_MS
        return Mark(until_ms=until_ms, awaited=awaited)


class CaptionsReachedPublisher:
    """Sends the records of one call. Used on the event loop."""

    def __init__(
        self, call: LiveCall, *, publisher: Publisher, policy: RetryPolicy, sleep: Callable[[float], Awaitable[None]]
    ) -> None:
        self._call = call
        self._publisher = publisher
        self._policy = policy
        self._sleep = sleep
        self._newest: CaptionsReached | None = None
        #: Whether somebody may wait for the newest one.
        self._awaited = False
        self._ended = False
        self._task: asyncio.Task[None] | None = None

    def publish(self, mark: Mark) -> None:
        """Publish a mark soon: all that was said before it is published."""
        if self._ended:
            return
        self._newest = CaptionsReached(
            call_id=self._call.call_id,
            recording_id=ids.live_pass_id(self._call.call_id),
            until_ms=mark.until_ms,
            phrase_count=self._call.next_phrase,
            tenant=self._call.tenant,
        )
        self._awaited |= mark.awaited
        if self._task is None:
            self._task = asyncio.create_task(self._run())

    def end(self) -> None:
        """Publish nothing more: the transcript is over."""
        self._ended, self._newest = True, None

    async def stop(self) -> None:
        """End, and cancel what is being sent."""
        self.end()
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _run(self) -> None:
        attempts = 0
        while (record := self._newest) is not None:
            try:
                await self._publisher.send(HYPOTHESES, record)
            except KafkaUnavailable as error:
                log.debug("live.reached_not_sent", call_id=self._call.call_id, again=self._awaited, reason=str(error))
                if self._awaited:
                    attempts += 1
                    await self._sleep(self._policy.after(attempts))
                    continue
            except StenoError as error:
                log.warning("live.reached_failed", call_id=self._call.call_id, error_class=error.error_class, reason=str(error))
            except Exception:
                log.exception("live.reached_failed_unexpectedly", call_id=self._call.call_id)
            attempts = 0
            if self._newest is record:
                self._newest, self._awaited = None, False
        # In the same step as the last look: a mark that comes from here on begins another task.
        self._task = None
