"""Which partition a key belongs to: as Kafka's default partitioner says (murmur2), so that clients of any language agree."""

import random
from collections.abc import Sequence
from functools import lru_cache

from aiokafka.partitioner import murmur2


def partition_of(key: str, partitions: int) -> int:
    """The partition of a key among so many."""
    return _hash(key.encode()) % partitions


def choose_partition(key: bytes | None, partitions: Sequence[int], available: Sequence[int]) -> int:
    """The partition for a record, as aiokafka asks for it; what has no key goes anywhere."""
    return partitions[_hash(key) % len(partitions)] if key is not None else random.choice(available or partitions)  # noqa: S311


# Keys are remembered: live calls send many small records, and the hash is pure Python.
@lru_cache(maxsize=8192)
def _hash(key: bytes) -> int:
    return int(murmur2(key) & 0x7FFFFFFF)
