"""Measures how many records the topic of dead letters holds, by its offsets on the broker."""

import structlog

from steno.background import PeriodicWork
from steno.events.catalogue import DEAD_LETTERS
from steno.kafka.cluster import Cluster
from steno.kafka.metrics import DEAD_LETTERS_KEPT
from steno.kafka.reader import partitions_of, reader

log = structlog.get_logger("steno.kafka.dead_letter_count")

_EVERY_SECONDS = 30.0


class DeadLetterCount(PeriodicWork):
    """Sets the gauge at the start and every half minute; a component of one service (`run`, `stop`).

    The counters of dead letters begin anew with each process, and the first of its kind is no increase to Prometheus. What the
    topic holds does not depend on which process put it there, and when that started.
    """

    def __init__(self, cluster: Cluster) -> None:
        super().__init__(
            self._measure,
            every_seconds=_EVERY_SECONDS,
            failed=lambda error: log.warning("dead_letters.not_counted", reason=str(error)),
            cut_short=True,
        )
        self._cluster = cluster

    async def _measure(self) -> None:
        topic = self._cluster.topic_name(DEAD_LETTERS)
        async with reader(self._cluster) as client:
            partitions = await partitions_of(client, [topic])
            begins = await client.beginning_offsets(partitions)
            ends = await client.end_offsets(partitions)
        DEAD_LETTERS_KEPT.labels(topic).set(sum(ends[where] - begins[where] for where in partitions))
