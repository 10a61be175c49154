"""Work that comes piece by piece is done in batches, and a piece at fault costs the others nothing."""

import asyncio
from collections.abc import Sequence

import pytest

from steno.errors import Permanent, Retryable
from steno.storage.batches import Batches


class Work:
    """Doubles numbers, once it may; notes its batches."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.may_go_on = asyncio.Event()
        self.may_go_on.set()
        #: Set once a batch has begun.
        self.begun = asyncio.Event()
        self.away = 0

    async def __call__(self, pieces: Sequence[int]) -> list[int]:
        self.batches.append(list(pieces))
        self.begun.set()
        await self.may_go_on.wait()
        if self.away:
            self.away -= 1
            raise Retryable("away")
        if 13 in pieces:
            raise asyncio.CancelledError
        if any(piece < 0 for piece in pieces):
            raise Permanent("negative")
        return [2 * piece for piece in pieces]


def batches_of(work: Work, *, most: int = 10, patience_seconds: float = 5.0) -> Batches[int, int]:
    """Pieces that are alike modulo 100 have one key."""
    return Batches(work, key=lambda piece: piece % 100, most=most, patience_seconds=patience_seconds)


async def test_what_comes_while_a_batch_is_under_way_is_the_next() -> None:
    """The first waits for nothing."""
    work = Work()
    batches = batches_of(work, most=3)
    work.may_go_on.clear()
    first = asyncio.create_task(batches.do(1))
    await work.begun.wait()
    others = asyncio.gather(*map(batches.do, range(2, 7)))
    await asyncio.sleep(0)
    work.may_go_on.set()
    assert [await first, *await others] == [2, 4, 6, 8, 10, 12]
    assert work.batches == [[1], [2, 3, 4], [5, 6]]


async def test_pieces_of_one_key_are_done_one_after_the_other() -> None:
    """In their order, whatever is between them."""
    work = Work()
    assert await asyncio.gather(*map(batches_of(work).do, (1, 101, 2, 201))) == [2, 202, 4, 402]
    assert work.batches == [[1, 2], [101], [201]]


async def test_a_piece_at_fault_costs_no_other() -> None:
    """They are done alone then."""
    outcomes = await asyncio.gather(*map(batches_of(Work()).do, (1, -2, 3)), return_exceptions=True)
    assert [outcome for outcome in outcomes if isinstance(outcome, int)] == [2, 6]
    assert isinstance(outcomes[1], Permanent)


async def test_what_passes_at_once_is_tried_again() -> None:
    """Once, where it would cost many."""
    work = Work()
    work.away = 1
    assert await asyncio.gather(*map(batches_of(work).do, (1, 2))) == [2, 4]


async def test_what_will_pass_is_raised_to_all() -> None:
    """And what comes later is done."""
    work = Work()
    batches = batches_of(work)
    work.away = 2
    outcomes = await asyncio.gather(*map(batches.do, (1, 2)), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [Retryable, Retryable]
    assert await batches.do(3) == 6


async def test_work_that_hangs_is_given_up_and_nobody_waits_behind_it_for_long() -> None:
    """What waited too long is not done late; what comes then is done."""
    work = Work()
    batches = batches_of(work, patience_seconds=0.1)
    work.may_go_on.clear()
    first = asyncio.create_task(batches.do(1))
    await work.begun.wait()
    others = [asyncio.create_task(batches.do(piece)) for piece in (2, 3)]
    outcomes = await asyncio.gather(first, *others, return_exceptions=True)
    assert all(isinstance(outcome, Retryable) for outcome in outcomes)
    work.may_go_on.set()
    assert await batches.do(4) == 8


async def test_nobody_waits_for_work_that_was_cancelled_from_within() -> None:
    """What comes later is done."""
    batches = batches_of(Work())
    outcomes = await asyncio.gather(*map(batches.do, (1, 13)), return_exceptions=True)
    assert all(isinstance(outcome, Retryable) for outcome in outcomes)
    assert await batches.do(4) == 8


async def test_whoever_is_cancelled_leaves_the_others_their_outcomes() -> None:
    """The piece is done all the same."""
    work = Work()
    batches = batches_of(work)
    work.may_go_on.clear()
    tasks = [asyncio.create_task(batches.do(piece)) for piece in (1, 2)]
    await work.begun.wait()
    tasks[0].cancel()
    work.may_go_on.set()
    assert await tasks[1] == 4
    with pytest.raises(asyncio.CancelledError):
        await tasks[0]
    assert work.batches == [[1, 2]]
