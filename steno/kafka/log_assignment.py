"""The partitions of a log consumer: read from the offset that the handler chooses, committed up to the settled offset."""

from aiokafka import AIOKafkaConsumer, TopicPartition

from steno.kafka.assignment import Assignment


class LogAssignment(Assignment):
    """The partitions of one log consumer between two rebalances; each is paused until it is opened."""

    def open(self, where: TopicPartition, begin: int) -> None:
        """Opens a partition, which is fetched from this offset."""
        self._add(where, begin)

    def is_open(self, where: TopicPartition) -> bool:
        """Whether a partition is open and may be fetched."""
        return where in self._partitions

    def settle(self, where: TopicPartition, offset: int) -> None:
        """Records that no record below an offset is needed again.

        Raises:
            ValueError: not all records below it are finished.
        """
        partition = self._partitions[where]
        done = partition.tracker.committable
        if done is None or offset > done:
            raise ValueError(
                f"partition {where.partition}: the handler settled offset {offset}, but only records below {done} are finished"
            )
        partition.settled = max(offset, partition.settled or 0)

    def committable(self) -> dict[TopicPartition, int]:
        """The settled offsets that have not been committed."""
        return {
            where: partition.settled
            for where, partition in self._partitions.items()
            if partition.settled is not None and partition.settled != partition.committed
        }

    def is_filling(self, client: AIOKafkaConsumer) -> bool:
        """Whether a partition is full but not paused yet."""
        paused = client.paused()
        return any(where not in paused and self._is_full(where, False) for where in self._partitions)

    def _is_full(self, where: TopicPartition, paused: bool) -> bool:
        return not self.is_open(where) or super()._is_full(where, paused)
