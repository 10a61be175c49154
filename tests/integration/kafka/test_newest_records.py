"""The newest records of a compacted topic, on a real broker."""

import asyncio

from support.kernel import GroupUnderTest, recording

from steno.events.catalogue import RECORDINGS
from steno.kafka.reader import newest_records


async def test_the_newest_record_of_each_key_is_found_and_tombstones_are_not(group: GroupUnderTest) -> None:
    """Of what was written many times the last counts; what was taken back, never written or is no record is not there."""
    await group.produce([f"c{number}" for number in range(40)], version="old")
    await group.produce([f"c{number}" for number in range(40)], version="new")
    await group.producer.send_raw(RECORDINGS, key=b"c0", value=None, headers=())
    await group.producer.send_raw(RECORDINGS, key=b"c1", value=b"{}", headers=())
    found = await asyncio.gather(*(newest_records(group.cluster, RECORDINGS, number) for number in range(6)))
    assert {key: record for part in found for key, record in part.items()} == {
        f"c{number}": recording(f"c{number}", version="new") for number in range(2, 40)
    }
    assert sum(len(part) for part in found) == 38
    assert all(found)


async def test_an_empty_partition_has_none(group: GroupUnderTest) -> None:
    """It returns at once."""
    assert await newest_records(group.cluster, RECORDINGS, 0) == {}
