"""The making of recordings beside the reading of the log."""

import asyncio

from steno_ingest.calls.ledger.account_rows import KeptAccount
from steno_ingest.calls.log.finishing import Finishing

from steno.kafka.retry import RetryPolicy
from steno.storage.objects import StoreUnavailable

AT_ONCE = RetryPolicy(first_seconds=0, longest_seconds=0)


def ended(call_id: str, *, partition: int = 0) -> KeptAccount:
    return KeptAccount(call_id=call_id, partition=partition, next_offset=1, foreign=True, ended=True, account={})


async def test_a_store_that_is_away_is_waited_for() -> None:
    """It is tried until it works, whatever becomes of other calls meanwhile."""
    tried: list[str] = []
    done = asyncio.Event()

    async def finish(call: KeptAccount) -> None:
        tried.append(call.call_id)
        if call.call_id == "broken":
            raise ValueError("a bug")
        if len(tried) < 5:
            raise StoreUnavailable("the disk is full")
        done.set()

    finishing = Finishing(finish, retry=AT_ONCE)
    finishing.begin(ended("broken"))
    finishing.begin(ended("a"))
    async with asyncio.timeout(10):
        await done.wait()
    assert (tried.count("broken"), tried.count("a")) == (1, 4)


async def test_the_calls_of_a_partition_are_left_to_whoever_has_it_next() -> None:
    """Once that returns, nothing is done for them any more; those of other partitions go on."""
    under_way: set[str] = set()
    go_on, done = asyncio.Event(), asyncio.Event()

    async def finish(call: KeptAccount) -> None:
        under_way.add(call.call_id)
        try:
            await go_on.wait()
            done.set()
        finally:
            under_way.remove(call.call_id)

    finishing = Finishing(finish)
    finishing.begin(ended("a", partition=1))
    finishing.begin(ended("b", partition=2))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert under_way == {"a", "b"}
    await finishing.abandon(1)
    assert under_way == {"b"}
    go_on.set()
    async with asyncio.timeout(10):
        await done.wait()
