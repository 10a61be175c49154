"""Faust's consumer, changed so that it commits only the offsets of handled messages, and detects records that got lost.

The behaviour of Faust 0.15.3, and what replaces it:

- It acknowledges a record whose agent raised, one that was cut off half-way, and one it skipped because a rebalance was near,
  and commits past it. Here an offset is committed when `mark_done` was called for it, and for nothing else.
- When the table is recovered it lets the source partitions flow, seeks them to the committed offsets, and then clears the
  queues: what was fetched between the seek and the clearing is gone, while the position is past it (seen in one restart of five
  with records waiting). Here the flow stands still from before the seek until Faust resumes it, after the clearing.
- It seeks only partitions for which something is committed: what was fetched of the others while the flow stood still is gone.
  Here they are sought to their beginning. What is committed is what the broker says: Faust notes an offset as committed when
  the broker refused it, too, and may do so after the partitions were taken back.
- Once the table is recovered it leaves the changelog out of what it takes, and fetches it on: each row written came back, in a
  fetch of its own. Here it is not fetched any more.
- Should a record get lost between fetch and agent in another way, `mark_done` for a later one of its partition raises, and
  `stalled_since` shows a stop; a restart then begins at the last commit, which is before the lost record.
"""

import asyncio
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from aiokafka.errors import TopicAuthorizationFailedError
from faust.transport.drivers import aiokafka as driver
from faust.types import TP

from steno.kafka import Watchdog, forget_lag, report_lag
from steno.kafka.errors import ConsumerStuck
from steno_enricher.loop_consumer import LoopConsumer

_REFUSED_SECONDS = 1.0


class DoneConsumer(driver.Consumer):
    """A Faust consumer that commits exactly the offsets that `mark_done` was called for."""

    #: Gets polls and commits reported; set before the app starts.
    watchdog: Watchdog
    #: Called while the ACLs of the cluster do not let it read a topic; set before the app starts.
    refused: Callable[[Exception], None]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.reset()

    def _new_consumer_thread(self) -> LoopConsumer:
        return LoopConsumer(self, loop=self.loop, beacon=self.beacon)

    def reset(self) -> None:
        """Forgets all partitions."""
        #: The highest offset done, and the offset committed, of each partition of this assignment.
        self._last_done: dict[TP, int] = {}
        self._on_broker: dict[TP, int] = {}
        #: What was fetched since the last seek, oldest first, until it is done: offset, and when written (ms since 1970).
        self._fetched: defaultdict[TP, deque[tuple[int, int]]] = defaultdict(deque)
        #: What is held (not done and not lost, while later ones are done): offset, and when it was written.
        self._held: defaultdict[TP, dict[int, int]] = defaultdict(dict)
        #: The last offset fetched of each changelog partition.
        self.fetched_changelog: dict[TP, int] = {}
        self._progress_at = time.monotonic()
        #: The partitions whose lag is shown.
        self._measured: set[TP] = set()

    def mark_done(self, message: Any) -> None:
        """Marks a message as handled, all its effects being stored; messages of a partition are marked in order.

        Raises:
            ConsumerStuck: an earlier message was fetched but never handled.
        """
        partition, offset = message.tp, message.offset
        self._progress_at = time.monotonic()
        if message.generation_id != self.app.consumer_generation_id:
            return
        if offset in self._held[partition]:
            del self._held[partition][offset]
            return
        before = self._last_done.get(partition, -1)
        fetched = self._fetched[partition]
        while fetched and fetched[0][0] <= offset:
            skipped, _ = fetched.popleft()
            if before < skipped < offset and skipped not in self._held[partition]:
                raise ConsumerStuck(
                    f"record {skipped} of {partition.topic}-{partition.partition} was fetched but never handled"
                )
        self._last_done[partition] = max(before, offset)

    def hold(self, message: Any) -> None:
        """Lets later messages be marked as done before this one, and commits nothing from it on until it is marked."""
        self._progress_at = time.monotonic()
        if message.generation_id == self.app.consumer_generation_id:
            held = self._held[message.tp]
            if message.offset not in held:
                held[message.offset] = int(message.timestamp * 1000)
                self._last_done[message.tp] = max(self._last_done.get(message.tp, -1), message.offset)

    def note_progress(self) -> None:
        """Notes that the handler waits on purpose, so that it is not taken for stuck."""
        self._progress_at = time.monotonic()

    @property
    def stalled_since(self) -> float | None:
        """The time (`time.monotonic`) since which fetched records have waited and none was handled; None where none wait."""
        waits = any(
            fetched and fetched[-1][0] > self._last_done.get(partition, -1) for partition, fetched in self._fetched.items()
        )
        return self._progress_at if waits else None

    async def _getmany(self, active_partitions: set[TP] | None, timeout: float) -> Any:  # noqa: ASYNC109 - the name is Faust's
        try:
            found = await super()._getmany(active_partitions, timeout)
        except TopicAuthorizationFailedError as error:
            # Faust would crash; an operator must act, and then it goes on.
            self.refused(error)
            await asyncio.sleep(_REFUSED_SECONDS)
            return {}
        for partition, records in found.items():
            if records and self._is_changelog_tp(partition):
                self.fetched_changelog[partition] = records[-1].offset
            elif records:
                if self.stalled_since is None:
                    self._progress_at = time.monotonic()
                self._fetched[partition].extend((record.offset, record.timestamp) for record in records)
        return found

    async def getmany(self, timeout: float) -> Any:  # noqa: ASYNC109 - the name is Faust's
        self.watchdog.polled()
        async for found in super().getmany(timeout):
            yield found
        self.watchdog.polled()

    def leave_changelog(self) -> None:
        """Stops fetching the changelog until a recovery resumes it or partitions are assigned anew."""
        client = self._thread._ensure_consumer()
        client.pause(*(partition for partition in client.assignment() if self._is_changelog_tp(partition)))

    def resume_partitions(self, tps: Iterable[TP]) -> None:
        wanted = set(tps)
        super().resume_partitions(wanted)
        client = self._thread._ensure_consumer()
        client.resume(*(partition for partition in client.assignment() if partition in wanted))

    async def verify_all_partitions_active(self) -> None:
        """Does nothing: Faust would log stalled partitions, which `stalled_since` and the watchdog act on."""

    async def perform_seek(self) -> None:
        self.stop_flow()
        self._fetched.clear()
        self._held.clear()
        await super().perform_seek()

    async def seek_to_committed(self) -> Mapping[TP, int]:
        committed = await super().seek_to_committed()
        # By the broker's answer: what Faust remembers as committed may be a commit that was refused.
        fresh = [
            partition for partition, offset in committed.items() if (offset or 0) <= 0 and not self._is_changelog_tp(partition)
        ]
        if fresh:
            await self.seek_wait(await self.earliest_offsets(*fresh))
        return committed

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        await super().on_partitions_revoked(revoked)
        for partition in revoked:
            self._last_done.pop(partition, None)
            self._on_broker.pop(partition, None)
            self._fetched.pop(partition, None)
            self._held.pop(partition, None)

    def _filter_committable_offsets(self, _tps: Iterable[TP]) -> dict[TP, int]:
        committable = {partition: self._done_below(partition, done) for partition, done in self._last_done.items()}
        new = {partition: offset for partition, offset in committable.items() if self._on_broker.get(partition) != offset}
        if new:
            self.watchdog.committing()
        else:
            self.watchdog.committed()
        return new

    def _done_below(self, partition: TP, done: int) -> int:
        return min([done + 1, *self._held.get(partition, {})])

    def measure(self, group: str, *, now: float) -> None:
        """Sets the gauges of lag of the partitions of this assignment; `now` in seconds since 1970."""
        client = self._thread._consumer
        if client is None:
            return
        assigned = {partition for partition in client.assignment() if not self._is_changelog_tp(partition)}
        for topic, number in self._measured - assigned:
            forget_lag(group, topic, number)
        for partition in assigned:
            done = self._last_done.get(partition, -1)
            unfinished = [entry for entry in self._fetched.get(partition, ()) if entry[0] > done]
            unfinished += self._held.get(partition, {}).items()
            first = min(unfinished, default=None)
            done_below = done + 1 if first is None else first[0]
            end = client.highwater(partition)
            report_lag(
                group,
                partition.topic,
                partition.partition,
                # Where nothing was done and nothing fetched yet, it is not known how many of the records are new.
                records=max(0, end - done_below) if end is not None and (done >= 0 or first is not None) else 0,
                seconds=0 if first is None else max(0.0, now - first[1] / 1000),
            )
        self._measured = assigned

    async def _commit(self, offsets: Mapping[TP, int]) -> bool:
        committed: bool = await super()._commit(offsets)
        if committed:
            self._on_broker.update(offsets)
            self.watchdog.committed()
        return committed
