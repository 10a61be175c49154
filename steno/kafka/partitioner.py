"""Chooses the partition of a key like Kafka's default partitioner (murmur2), so that clients in all languages agree."""

import random
from collections.abc import Sequence
from functools import lru_cache

from aiokafka.partitioner import murmur2


def partition_of(key: str, partitions: int) -> int:
    """Returns the partition of a key, of a topic with so many partitions."""
    return _hash(key.encode()) % partitions


def choose_partition(key: bytes | None, partitions: Sequence[int], available: Sequence[int]) -> int:
    """Chooses the partition of a record for aiokafka; a record without a key gets a random one."""
    return partitions[_hash(key) % len(partitions)] if key is not None else random.choice(available or partitions)  # noqa: S311


# Hashes are cached: live calls send many small records, and the hash is pure Python.
@lru_cache(maxsize=8192)
def _hash(key: bytes) -> int:
    return int(murmur2(key) & 0x7FFFFFFF)
