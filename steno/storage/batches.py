"""Does work that comes piece by piece in batches: while one is under way, what comes waits for the next one.

So the first piece waits for nothing, and under load many share one transaction (group commit).
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Hashable, Sequence
from contextvars import Context
from dataclasses import dataclass
from typing import Generic, TypeVar

from steno.errors import Retryable
from steno.storage.database import DatabaseUnavailable

Piece = TypeVar("Piece")
Outcome = TypeVar("Outcome")

PATIENCE_SECONDS = 30.0
"""How long a batch may take, and how long a piece may wait for its batch: a connection that answers no more is given up."""

_SOON_SECONDS = 1.0
"""A batch that fails so soon is tried once more: a connection was reset, or two transactions had waited for each other."""


@dataclass(slots=True)
class _Waiting(Generic[Piece, Outcome]):
    piece: Piece
    outcome: "asyncio.Future[Outcome]"
    since: float
    #: One of its batch was at fault: from now on it goes by itself.
    alone: bool = False

    def fail(self, error: BaseException) -> None:
        if not self.outcome.done():
            self.outcome.set_exception(error)


class Batches(Generic[Piece, Outcome]):
    """Pieces of work, done together. For one event loop."""

    def __init__(
        self,
        work: Callable[[Sequence[Piece]], Awaitable[Sequence[Outcome]]],
        *,
        key: Callable[[Piece], Hashable],
        most: int,
        patience_seconds: float = PATIENCE_SECONDS,
    ) -> None:
        """
        Args:
            work: Does all of a batch or none of it, and gives the outcome of each piece. It may be done again.
            key: Of pieces with one key only the first is in a batch; the others wait for the next ones.
            most: Pieces in a batch.
            patience_seconds: How long a batch may take, and a piece may wait for it.
        """
        self._work = work
        self._key = key
        self._most = most
        self._patience_seconds = patience_seconds
        self._waiting: deque[_Waiting[Piece, Outcome]] = deque()
        self._worker: asyncio.Task[None] | None = None

    async def do(self, piece: Piece) -> Outcome:
        """The outcome of a piece, once its batch is done. Whoever is cancelled meanwhile leaves the piece to be done.

        Raises:
            Retryable: nothing of its batch was done, as far as is known.
            Exception: what the work raised for this piece alone.
        """
        loop = asyncio.get_running_loop()
        waiting = _Waiting(piece, loop.create_future(), loop.time())
        self._waiting.append(waiting)
        if self._worker is None:
            # Not in the context of whoever comes first: the batch is of all.
            self._worker = loop.create_task(self._do_waiting(), context=Context())
        outcome: Outcome = await waiting.outcome
        return outcome

    async def _do_waiting(self) -> None:
        try:
            while self._waiting:
                if batch := self._next_batch():
                    await self._do(batch)
        finally:
            self._worker = None

    def _next_batch(self) -> list[_Waiting[Piece, Outcome]]:
        too_old = asyncio.get_running_loop().time() - self._patience_seconds
        batch: list[_Waiting[Piece, Outcome]] = []
        keys: set[Hashable] = set()
        left: deque[_Waiting[Piece, Outcome]] = deque()
        while self._waiting and len(batch) < self._most:
            waiting = self._waiting.popleft()
            if waiting.since < too_old:
                waiting.fail(DatabaseUnavailable(f"the database was not free for {self._patience_seconds:g} s"))
                continue
            if waiting.alone:
                if batch:
                    left.append(waiting)
                    break
                return [waiting]
            key = self._key(waiting.piece)
            (left if key in keys else batch).append(waiting)
            keys.add(key)
        self._waiting.extendleft(reversed(left))
        return batch

    async def _do(self, batch: Sequence[_Waiting[Piece, Outcome]]) -> None:
        try:
            outcomes = await self._attempts([waiting.piece for waiting in batch])
            for waiting, outcome in zip(batch, outcomes, strict=True):
                if not waiting.outcome.done():
                    waiting.outcome.set_result(outcome)
        except Exception as error:  # noqa: BLE001 - whoever waits for the piece raises it
            if len(batch) > 1 and not isinstance(error, Retryable):
                # One of them is at fault, and costs the others nothing.
                for waiting in batch:
                    waiting.alone = True
                self._waiting.extendleft(reversed(batch))
                return
            for waiting in batch:
                waiting.fail(error)
        except asyncio.CancelledError:
            # Whoever waits must not wait for ever.
            for waiting in batch:
                waiting.fail(DatabaseUnavailable("a transaction was cancelled"))
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise

    async def _attempts(self, pieces: Sequence[Piece]) -> Sequence[Outcome]:
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            return await self._attempt(pieces)
        except Retryable:
            if len(pieces) == 1 or loop.time() - began > _SOON_SECONDS:
                raise
        return await self._attempt(pieces)

    async def _attempt(self, pieces: Sequence[Piece]) -> Sequence[Outcome]:
        try:
            async with asyncio.timeout(self._patience_seconds):
                return await self._work(pieces)
        except TimeoutError as error:
            raise DatabaseUnavailable(f"the database did not answer in {self._patience_seconds:g} s") from error
