"""Members that are processes of their own are killed and frozen in the middle of work."""

import asyncio
import signal
import time
from contextlib import ExitStack

from support.kernel import GroupUnderTest, until
from support.kernel_member import MemberProcess, member_process


def _handled(*members: MemberProcess) -> set[str]:
    return {key for member in members for key in member.handled}


async def _dealt(group: GroupUnderTest, partitions: list[int]) -> None:
    """Waits for the last deal of the partitions: while one member joins after the other, each join moves some."""
    while sorted(len(assigned) for assigned in (await group.assignments()).values()) != partitions:
        await asyncio.sleep(0.05)


async def test_the_messages_of_a_killed_member_are_handled_by_the_others(group: GroupUnderTest) -> None:
    """kill -9 of one of two in the middle of work: the other takes over within the session, and nothing is lost."""
    names = [f"c{number}" for number in range(16)]
    with ExitStack() as stack:
        victim, survivor = (stack.enter_context(member_process(group, instance)) for instance in "ab")
        await _dealt(group, [3, 3])
        # Work so long that the kill, which follows the first word of it at once, falls into it on any machine.
        await group.produce(names, work_seconds="2")
        await until(lambda: bool(victim.begun and survivor.begun))
        victim.signal(signal.SIGKILL)
        under_way = set(victim.begun) - set(victim.handled)
        await until(lambda: _handled(victim, survivor) == set(names), seconds=30)
        assert under_way
        assert under_way <= set(survivor.handled)
        assert survivor.end() == 0
    assert sum((await group.committed()).values()) == len(names)


async def test_a_member_that_comes_back_under_its_name_takes_its_partitions_up_at_once(group: GroupUnderTest) -> None:
    """Static membership: nobody's partitions move, and the gap is the start of a process, far below the session."""
    with ExitStack() as stack:
        members = [stack.enter_context(member_process(group, instance)) for instance in "abc"]
        await until(lambda: all(member.ready for member in members))
        await _dealt(group, [2, 2, 2])
        names = {f"c{number}" for number in range(120)}
        await group.produce(names, work_seconds="0.1")
        await until(lambda: all(member.handled for member in members))
        before = await group.assignments()
        members[0].signal(signal.SIGKILL)
        killed_at = time.monotonic()
        again = stack.enter_context(member_process(group, "a"))
        await until(lambda: again.ready)
        assert time.monotonic() - killed_at < 5, "it waited for the session (6 s) of its predecessor"
        assert await group.assignments() == before
        await until(lambda: _handled(*members, again) == names)


async def test_a_member_frozen_past_its_session_does_no_damage(group: GroupUnderTest) -> None:
    """Others take its partitions over; thawed, it takes back no commit, joins again and works on."""
    names = {f"c{number}" for number in range(120)}
    await group.produce(names, work_seconds="0.1")
    with ExitStack() as stack:
        frozen, other = (stack.enter_context(member_process(group, instance)) for instance in "ab")
        await until(lambda: len(frozen.handled) > 3 and len(other.handled) > 3)
        frozen.signal(signal.SIGSTOP)
        await until(lambda: _handled(frozen, other) == names, seconds=30)
        while sum((await group.committed()).values()) < len(names):
            await asyncio.sleep(0.05)
        mine = f"steno-{group.name}-a"
        assert mine not in await group.assignments()
        frozen.signal(signal.SIGCONT)
        while len((await group.assignments()).get(mine, ())) != 3:
            assert sum((await group.committed()).values()) == len(names)
        assert sum((await group.committed()).values()) == len(names)
        later = {f"later{number}" for number in range(30)}
        await group.produce(later)
        await until(lambda: later <= _handled(frozen, other))
        assert later & set(frozen.handled)
        assert frozen.end() == other.end() == 0
    assert sum((await group.committed()).values()) == len(names | later)
