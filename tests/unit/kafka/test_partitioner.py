"""A key goes to the partition that clients of any language find."""

import pytest
from aiokafka.partitioner import DefaultPartitioner

from steno.kafka.partitioner import choose_partition, partition_of


@pytest.mark.parametrize(
    ("key", "hash_"),
    [("21", -973932308), ("foobar", -790332482), ("a-little-bit-long-string", -985981536)],
)
def test_the_partition_of_a_key_is_that_of_every_kafka_client(key: str, hash_: int) -> None:
    """Hashes of Kafka's own test (UtilsTest.testMurmur2), made positive as its partitioner does."""
    assert partition_of(key, 48) == (hash_ & 0x7FFFFFFF) % 48


def test_records_go_where_aiokafkas_own_partitioner_sends_them() -> None:
    """What has no key goes to any partition that can be reached."""
    default = DefaultPartitioner()
    for number in range(100):
        key = f"call-{number}".encode()
        assert choose_partition(key, range(12), []) == default(key, list(range(12)), [])
    assert choose_partition(None, [0, 1], [1]) == 1
