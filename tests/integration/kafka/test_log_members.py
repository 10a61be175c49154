"""Members of a group that read in order: what they are given, and from where the next one goes on."""

from support.kernel import GroupUnderTest, until
from support.kernel_log import RecordedLog


async def test_a_partition_is_read_in_its_order_and_what_is_settled_is_committed(group: GroupUnderTest) -> None:
    """Every partition is opened first, its records come one after another, and what is taken and settled is committed."""
    names = [f"c{number}" for number in range(500)]
    await group.produce(names)
    log = RecordedLog()
    async with group.log_member(log) as (_, running):
        await until(lambda: len(log.taken) == 500, running=[running])
    assert {name for _, _, name in log.taken} == set(names)
    for partition in range(6):
        offsets = log.offsets(partition)
        assert offsets == list(range(len(offsets)))
        assert (log.verbs(partition)[0], log.verbs(partition)[-2:]) == ("open", ["settle", "close"])
    assert await group.committed() == {partition: len(log.offsets(partition)) for partition in range(6)}
