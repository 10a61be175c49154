"""The making of recordings beside the reading of the log."""

import asyncio

import pytest
from steno_ingest.calls.ledger.account_rows import SavedAccount
from steno_ingest.calls.log.recording.recording_jobs import RecordingJobs
from steno_ingest.errors import TooLarge

from steno.retry import RetryPolicy
from steno.storage.database import DatabaseUnavailable
from steno.storage.objects import StoreUnavailable

AT_ONCE = RetryPolicy(first_seconds=0, longest_seconds=0)


def ended(call_id: str, *, partition: int = 0) -> SavedAccount:
    return SavedAccount(call_id=call_id, partition=partition, next_offset=1, foreign=True, ended=True, account={})


async def nobody(_call: SavedAccount, error: Exception) -> None:
    raise AssertionError(f"nothing is given up here: {error!r}")


async def test_a_store_that_is_away_is_waited_for() -> None:
    """It is tried until it works, however often that is."""
    tried = 0
    done = asyncio.Event()

    async def finish(_call: SavedAccount) -> None:
        nonlocal tried
        tried += 1
        if tried < 50:
            raise StoreUnavailable("the disk is full")
        done.set()

    RecordingJobs(finish, give_up=nobody, policy=AT_ONCE).start(ended("a"))
    async with asyncio.timeout(10):
        await done.wait()
    assert tried == 50


async def test_an_error_that_passes_costs_nothing() -> None:
    """It is tried again, and one that comes among faults of the store is the first of its kind."""
    errors: list[Exception] = [*[StoreUnavailable("away")] * 9, *[KeyError("a bug")] * 3, StoreUnavailable("away"), KeyError()]
    done = asyncio.Event()

    async def finish(_call: SavedAccount) -> None:
        if errors:
            raise errors.pop(0)
        done.set()

    RecordingJobs(finish, give_up=nobody, policy=AT_ONCE).start(ended("a"))
    async with asyncio.timeout(10):
        await done.wait()


@pytest.mark.parametrize(("error", "attempts"), [(ValueError("a bug"), 4), (TooLarge("larger than can be"), 1)])
async def test_a_call_is_given_up_for_everybody_to_see(error: Exception, attempts: int) -> None:
    """After some attempts, or at once where it is known that none will help, and until it is told; other calls go on."""
    tried: list[str] = []
    told: list[tuple[str, Exception]] = []
    done, others_done = asyncio.Event(), asyncio.Event()

    async def finish(call: SavedAccount) -> None:
        tried.append(call.call_id)
        if call.call_id == "broken":
            raise error
        others_done.set()

    async def give_up(call: SavedAccount, why: Exception) -> None:
        told.append((call.call_id, why))
        if len(told) < 3:
            raise DatabaseUnavailable("away")
        done.set()

    jobs = RecordingJobs(finish, give_up=give_up, policy=AT_ONCE)
    jobs.start(ended("broken"))
    jobs.start(ended("a"))
    async with asyncio.timeout(10):
        await asyncio.gather(done.wait(), others_done.wait())
    assert (tried.count("broken"), tried.count("a")) == (attempts, 1)
    assert told == [("broken", error)] * 3


async def test_the_calls_of_a_partition_are_left_to_whoever_has_it_next() -> None:
    """Once that returns, nothing is done for them any more; those of other partitions go on."""
    under_way: set[str] = set()
    go_on, done = asyncio.Event(), asyncio.Event()

    async def finish(call: SavedAccount) -> None:
        under_way.add(call.call_id)
        try:
            await go_on.wait()
            done.set()
        finally:
            under_way.remove(call.call_id)

    jobs = RecordingJobs(finish, give_up=nobody)
    jobs.start(ended("a", partition=1))
    jobs.start(ended("b", partition=2))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert under_way == {"a", "b"}
    await jobs.cancel(1)
    assert under_way == {"b"}
    go_on.set()
    async with asyncio.timeout(10):
        await done.wait()
