"""Keeps the partitions of a log consumer: read from where their handler wants to begin, committed as far as it has settled."""

from aiokafka import AIOKafkaConsumer, TopicPartition

from steno.kafka.assignment import Assignment


class LogAssignment(Assignment):
    """The partitions of one log consumer between two rebalances; each is paused until it is open."""

    def open(self, where: TopicPartition, begin: int) -> None:
        """A partition may be fetched, from this offset on."""
        self._add(where, begin)

    def is_open(self, where: TopicPartition) -> bool:
        """Whether a partition may be fetched."""
        return where in self._partitions

    def settle(self, where: TopicPartition, offset: int) -> None:
        """Nothing below this offset is needed any more.

        Raises:
            ValueError: not everything below it has been taken.
        """
        partition = self._partitions[where]
        done = partition.tracker.committable
        if done is None or offset > done:
            raise ValueError(
                f"partition {where.partition}: {offset} is said to be settled, but only what is below {done} is taken"
            )
        partition.settled = max(offset, partition.settled or 0)

    def committable(self) -> dict[TopicPartition, int]:
        """What is settled and has not been committed."""
        return {
            where: partition.settled
            for where, partition in self._partitions.items()
            if partition.settled is not None and partition.settled != partition.committed
        }

    def is_filling(self, client: AIOKafkaConsumer) -> bool:
        """Whether a partition is full that is not paused yet."""
        paused = client.paused()
        return any(where not in paused and self._is_full(where, False) for where in self._partitions)

    def _is_full(self, where: TopicPartition, paused: bool) -> bool:
        return not self.is_open(where) or super()._is_full(where, paused)
