"""Reads the captions of calls from Kafka for any number of readers.

A stream first subscribes to new records of the call, then reads the older ones, then goes on with the new ones, so that none is
missed; duplicates are recognised by their offsets (`steno_notifier.captions`). No state of a reader is stored: its cursor is
enough for any process.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta

import structlog

from steno.background import pause
from steno.errors import Retryable
from steno.events.catalogue import CALLS, HYPOTHESES, PHRASES, TRANSCRIPTS, Topic
from steno.events.records import CallState
from steno.kafka import Cluster, FollowedKey, FollowedKeys, offset_at, partition_of, read_range
from steno.kafka.errors import FollowerTooSlow
from steno.kafka.messages import Message
from steno.tenants import Caller
from steno_notifier import metrics
from steno_notifier.captions import Caption, Captions, Cursor

log = structlog.get_logger("steno.notifier.captions")

FOLLOWED = (CALLS, PHRASES, TRANSCRIPTS, HYPOTHESES)
"""The topics that `CaptionStreams` needs followed."""

HEARTBEAT_SECONDS = 15.0
# The newest state of a call that goes on is mostly minutes old, and no older than the audio is kept: a day.
_LOOK_BACK = (timedelta(minutes=10), timedelta(hours=2), timedelta(days=1))
_CLOCK_DIFFERENCE = timedelta(minutes=1)
_UNKNOWN_SECONDS = 1.0
_LAST_SECONDS = 1.0
_LOOK_AT_KEYS_SECONDS = 0.5
_LOOKS_WITHOUT_KEY = 2
"""How often in a row a reader's key has to be missing: a file that is being written may lack it for a moment."""


class NoSuchCall(Exception):
    """No call of that id was live within the last day."""


class TooManyReaders(Retryable):
    """As many readers as allowed are connected."""

    error_class = "too_many_readers"


class CaptionStream:
    """The captions of one call, for one reader.

    It ends after the end of the call. It ends early when the process stops, when its reader is too slow, and when its reader's
    key is no longer valid; `closed_because` has the reason, and the reader can reconnect with its cursor.
    """

    def __init__(
        self,
        captions: Captions,
        following: FollowedKey,
        history: Sequence[Message],
        *,
        heartbeat_seconds: float,
    ) -> None:
        self._captions = captions
        self._following = following
        self._history = history
        #: Let go of when it is closed.
        self.held = ExitStack()
        self._heartbeat_seconds = heartbeat_seconds
        self.closed_because = ""
        #: How long the reader may still take with what is being sent to it; None while nothing is.
        self.patience: asyncio.Timeout | None = None
        #: What the next message is awaited under.
        self._waiting: asyncio.Timeout | None = None

    def stop(self, reason: str) -> None:
        """Ends the stream now."""
        self.closed_because = reason
        _expire_in(self._waiting, 0)
        self.limit_wait()

    def limit_wait(self) -> None:
        """Limits what a reader that reads nothing is still waited for to one second."""
        _expire_in(self.patience, _LAST_SECONDS)

    def close(self) -> None:
        """Releases what the stream holds, its place among the readers included."""
        self.held.close()

    async def captions(self) -> AsyncGenerator[Caption | None, None]:
        """Gives the captions, and None after each heartbeat interval without one. To be iterated once."""
        try:
            for message in self._history:
                for caption in self._captions.handle(message):
                    yield caption
                if self.closed_because:
                    return
            while not (self._captions.ended or self.closed_because):
                try:
                    message = await self._next()
                except TimeoutError:
                    if self.closed_because:
                        return
                    yield None
                    for caption in self._captions.end_if_over():
                        yield caption
                else:
                    for caption in self._captions.handle(message):
                        yield caption
        except StopAsyncIteration:
            self.closed_because = "the service is stopping"
        except FollowerTooSlow:
            self.closed_because = "too much has come since the last event was read"
        except Retryable as error:
            log.warning("captions.interrupted", reason=str(error))
            self.closed_because = "Kafka is away"

    async def _next(self) -> Message:
        """Waits for the next message. Raises `TimeoutError` after a heartbeat interval, and when the stream is stopped."""
        try:
            async with asyncio.timeout(self._heartbeat_seconds) as self._waiting:
                return await anext(self._following)
        finally:
            # While a message is sent nothing is awaited here, and a timeout that is over cannot be changed.
            self._waiting = None


class CaptionStreams:
    """A component that opens streams of captions; the `FollowedKeys` of `FOLLOWED` runs beside it and is stopped first."""

    def __init__(
        self,
        cluster: Cluster,
        followed: FollowedKeys,
        *,
        most_readers: int,
        holds: Callable[[Caller], bool],
        heartbeat_seconds: float = HEARTBEAT_SECONDS,
    ) -> None:
        """
        Args:
            most_readers: How many may be open at once; each may have a thousand messages waiting.
            holds: Whether the key of a connected caller is still valid.
        """
        self._cluster = cluster
        self._followed = followed
        self._most_readers = most_readers
        self._holds = holds
        self._heartbeat_seconds = heartbeat_seconds
        self._streams: dict[CaptionStream, Caller] = {}
        #: How often in a row the keys of these readers were missing.
        self._without_key: dict[CaptionStream, int] = {}
        self._opening = 0
        self._stopping = asyncio.Event()

    async def run(self) -> None:
        """Looks at the keys of its readers again and again until `stop`."""
        while not self._stopping.is_set():
            self.check_keys()
            await pause(_LOOK_AT_KEYS_SECONDS, self._stopping)

    def check_keys(self) -> None:
        """Ends the streams of readers whose keys are no longer valid."""
        held = {caller: self._holds(caller) for caller in set(self._streams.values())}
        self._without_key = {
            stream: self._without_key.get(stream, 0) + 1 for stream, caller in self._streams.items() if not held[caller]
        }
        for stream, looks in self._without_key.items():
            if looks == _LOOKS_WITHOUT_KEY:
                log.warning("captions.key_revoked", key_name=self._streams[stream].name)
                stream.stop("the API key was removed, expired or changed")

    async def stop(self) -> None:
        """Stops, and ends the streams of readers that read nothing."""
        for stream in self._streams:
            stream.limit_wait()
        self._stopping.set()

    async def open(self, call_id: str, cursor: Cursor | None, caller: Caller) -> CaptionStream:
        """Opens the captions of a call that a caller sees, from a cursor on or from the beginning. The stream must be closed.

        Raises:
            NoSuchCall: there is none, or it is older than a day, or the caller does not see it.
            TooManyReaders: try again later.
            Retryable: Kafka is not available.
        """
        if len(self._streams) + self._opening >= self._most_readers:
            raise TooManyReaders("there are as many readers of captions as this process takes; try another one, or later")
        self._opening += 1
        try:
            with ExitStack() as held:
                stream = await self._open(call_id, cursor, caller, held)
                held.callback(self._remove, stream)
                stream.held = held.pop_all()
        finally:
            self._opening -= 1
        self._streams[stream] = caller
        metrics.CAPTION_READERS.set(len(self._streams))
        return stream

    async def _open(self, call_id: str, cursor: Cursor | None, caller: Caller, held: ExitStack) -> CaptionStream:
        following = held.enter_context(self._followed.follow(call_id))
        states = await self._read_states(call_id, following, caller)
        if not states:
            # A reader may know of a call a moment before Kafka does.
            await asyncio.sleep(_UNKNOWN_SECONDS)
            following = held.enter_context(self._followed.follow(call_id))
            states = await self._read_states(call_id, following, caller)
        if not states:
            raise NoSuchCall(call_id)
        if cursor is None:
            # Of what the call was before, nothing is told but how it stands now.
            cursor = Cursor(calls=states[-1].offset)
        history = [*states, *await self._read_history(call_id, cursor, states, following)]
        return CaptionStream(
            Captions(call_id, cursor, sees=caller.sees), following, history, heartbeat_seconds=self._heartbeat_seconds
        )

    def _remove(self, stream: CaptionStream) -> None:
        self._streams.pop(stream, None)
        metrics.CAPTION_READERS.set(len(self._streams))

    async def _read_states(self, call_id: str, following: FollowedKey, caller: Caller) -> Sequence[Message]:
        """The states of a call that are there, at least the newest one; none of a call that the caller does not see, so that
        nothing tells it from one that is not there."""
        now = datetime.now(UTC)
        for back in _LOOK_BACK:
            start = await self._offset_at(CALLS, call_id, now - back)
            if found := [message for message in await self._read_range(CALLS, call_id, start, following) if message.record]:
                return found if _sees(caller, found[-1]) else ()
        return ()

    async def _read_history(
        self, call_id: str, cursor: Cursor, states: Sequence[Message], following: FollowedKey
    ) -> Sequence[Message]:
        """The messages on the other topics from before the subscription that the reader does not have."""
        state = states[-1].record
        assert isinstance(state, CallState)
        began = min(state.started_at, states[0].timestamp) - _CLOCK_DIFFERENCE
        # A cursor says what its reader has, but it comes from outside: nothing before the call is read for it.
        start = max(cursor.phrases, await self._offset_at(PHRASES, call_id, began))
        phrases = await self._read_range(PHRASES, call_id, start, following)
        # Nobody is told of these: they are read again each time, for whether the transcript is complete.
        start = await self._offset_at(TRANSCRIPTS, call_id, began)
        return [*phrases, *await self._read_range(TRANSCRIPTS, call_id, start, following)]

    async def _offset_at(self, topic: Topic, call_id: str, when: datetime) -> int:
        partition = partition_of(call_id, self._cluster.topics.partitions)
        return await offset_at(self._cluster, topic, partition, when)

    async def _read_range(self, topic: Topic, call_id: str, start: int, following: FollowedKey) -> Sequence[Message]:
        partition, end = partition_of(call_id, self._cluster.topics.partitions), following.positions[topic.name]
        found = read_range(self._cluster, topic, partition, key=call_id, start=start, end=end)
        return [message async for message in found]


def _expire_in(timeout: asyncio.Timeout | None, seconds: float) -> None:
    """Lets a timeout expire after some seconds, unless it has expired already."""
    if timeout is not None and not timeout.expired():
        timeout.reschedule(asyncio.get_running_loop().time() + seconds)


def _sees(caller: Caller, newest: Message) -> bool:
    return isinstance(newest.record, CallState) and caller.sees(newest.record.tenant)
