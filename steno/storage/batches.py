"""Does work that comes piece by piece in batches: while one is under way, what comes waits for the next one.

So the first piece waits for nothing, and under load many share one transaction (group commit).
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Hashable, Sequence
from typing import Generic, TypeVar

from steno.errors import Retryable

Piece = TypeVar("Piece")
Outcome = TypeVar("Outcome")


class Batches(Generic[Piece, Outcome]):
    """Pieces of work, done together. For one event loop."""

    def __init__(
        self,
        work: Callable[[Sequence[Piece]], Awaitable[Sequence[Outcome]]],
        *,
        key: Callable[[Piece], Hashable],
        most: int,
    ) -> None:
        """
        Args:
            work: Does all of a batch or none of it, and gives the outcome of each piece.
            key: Of pieces with one key only the first is in a batch; the others wait for the next ones.
            most: Pieces in a batch.
        """
        self._work = work
        self._key = key
        self._most = most
        self._waiting: deque[tuple[Piece, asyncio.Future[Outcome]]] = deque()
        self._worker: asyncio.Task[None] | None = None

    async def do(self, piece: Piece) -> Outcome:
        """The outcome of a piece, once its batch is done. Whoever is cancelled meanwhile leaves the piece to be done.

        Raises:
            Retryable: nothing of its batch was done.
            Exception: what the work raised for this piece alone.
        """
        outcome: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self._waiting.append((piece, outcome))
        if self._worker is None:
            self._worker = asyncio.create_task(self._do_waiting())
        return await outcome

    async def _do_waiting(self) -> None:
        try:
            while self._waiting:
                await self._do(self._next_batch())
        finally:
            self._worker = None

    def _next_batch(self) -> list[tuple[Piece, asyncio.Future[Outcome]]]:
        batch: list[tuple[Piece, asyncio.Future[Outcome]]] = []
        keys: set[Hashable] = set()
        left: deque[tuple[Piece, asyncio.Future[Outcome]]] = deque()
        while self._waiting and len(batch) < self._most:
            waiting = self._waiting.popleft()
            key = self._key(waiting[0])
            (left if key in keys else batch).append(waiting)
            keys.add(key)
        self._waiting.extendleft(reversed(left))
        return batch

    async def _do(self, batch: Sequence[tuple[Piece, asyncio.Future[Outcome]]]) -> None:
        try:
            outcomes = await self._work([piece for piece, _ in batch])
        except Exception as error:  # noqa: BLE001 - whoever waits for the piece raises it
            if len(batch) > 1 and not isinstance(error, Retryable):
                # One of them is at fault, and costs the others nothing.
                for one in batch:
                    await self._do([one])
                return
            for _, waiting in batch:
                if not waiting.done():
                    waiting.set_exception(error)
            return
        for (_, waiting), outcome in zip(batch, outcomes, strict=True):
            if not waiting.done():
                waiting.set_result(outcome)
