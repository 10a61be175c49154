"""The totals of the ledger: how many recordings and calls made which transition, of those that have ended.

What has ended never changes. So it is counted once, and reading the ledger costs what is in progress, however much the ledger
holds. Before a recording or call is counted, its entries are compared with its state. One that does not agree is not counted:
the balance shows it, and the log names it.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Generic, TypeVar

import structlog
from sqlalchemy import Column, ColumnElement, Select, Table, and_, func, literal, select, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from steno.background import PeriodicWork
from steno.events.records import CallStatus
from steno.storage.lists import seen_by
from steno.storage.transactions import insert_into, transaction
from steno.tenants import Caller
from steno_ingest.calls.ledger import states as call_states
from steno_ingest.calls.ledger.tables import call_entries, calls
from steno_ingest.recordings import states
from steno_ingest.recordings.states import State
from steno_ingest.recordings.tables import entries, recordings
from steno_ingest.tables import UNCOUNTED, totals

log = structlog.get_logger("steno.ingest.totals")

S = TypeVar("S", bound=StrEnum)

_EVERY_SECONDS = 5.0
_BATCH = 1000
"""Recordings or calls that are counted in one transaction: tens of milliseconds."""

_MOST_DISAGREEING = 10_000
"""So many are passed over in one look; with more, the rest of the look waits for the next."""

Steps = Mapping[tuple[S | None, S], int]
"""The number of transitions by the states before (None: accepted) and after."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Book(Generic[S]):
    """One of the two ledgers: of recordings, or of live calls."""

    name: str
    #: The table with the current state of each recording or call, and its id.
    things: Table
    id: Column[Any]
    #: The table with a row for each transition, and the id in it.
    entries: Table
    entry_of: Column[Any]
    state: type[S]
    #: The legal transitions, and the first state.
    transitions: Mapping[S, frozenset[S]]
    first: S

    @property
    def ended(self) -> tuple[S, ...]:
        """The states that are final."""
        return tuple(state for state in self.state if not self.transitions.get(state, True))

    def agrees(self, state: S, steps: Sequence[tuple[S | None, S]]) -> bool:
        """Whether transitions, in order, lead from nothing to a state, each of them legally."""
        at: S | None = None
        for origin, to in steps:
            if origin is not at or (to is not self.first if at is None else to not in self.transitions[at]):
                return False
            at = to
        return at is state

    async def count(self, connection: AsyncConnection, *, limit: int, besides: Collection[str] = ()) -> tuple[int, list[str]]:
        """Counts up to so many that have ended; returns how many were looked at, and the ids that do not agree.

        Args:
            besides: Ids that are passed over.
        """
        ended = [state.value for state in self.ended]
        query = select(self.id, self.things.c.tenant, self.things.c.state).where(UNCOUNTED, self.things.c.state.in_(ended))
        query = query.where(self.id.not_in(besides)) if besides else query
        rows = list(await connection.execute(query.limit(limit).with_for_update(skip_locked=True)))
        steps: dict[str, list[tuple[S | None, S]]] = {row[0]: [] for row in rows}
        made = select(self.entry_of, self.entries.c.from_state, self.entries.c.to_state).where(self.entry_of.in_(steps))
        for id, origin, to in await connection.execute(made.order_by(self.entries.c.id)):
            steps[id].append(self._step(origin, to))
        counts: Counter[tuple[str, str, str]] = Counter()
        agreeing = [row for row in rows if self.agrees(self.state(row.state), steps[row[0]])]
        for id, tenant, _ in agreeing:
            counts.update(_named(tenant, steps[id]))
        await self._add(connection, counts)
        await self._mark(connection, [row[0] for row in agreeing], counted=True)
        return len(rows), sorted(steps.keys() - {row[0] for row in agreeing})

    async def uncount(self, connection: AsyncConnection, id: str) -> None:
        """Takes one out of the totals, if they contain it, to be counted again; locks its row."""
        query = select(self.things.c.tenant, self.things.c.counted).where(self.id == id).with_for_update()
        tenant, counted = (await connection.execute(query)).one()
        if not counted:
            return
        made = select(self.entries.c.from_state, self.entries.c.to_state).where(self.entry_of == id)
        counts = Counter(_named(tenant, [self._step(*row) for row in await connection.execute(made)]))
        counts.subtract({key: 2 * count for key, count in counts.items()})
        await self._add(connection, counts)
        await self._mark(connection, [id], counted=False)

    async def read(self, connection: AsyncConnection, caller: Caller) -> tuple[dict[S, int], dict[tuple[S | None, S], int]]:
        """Returns the numbers of what a caller sees by state, and of transitions: the totals, and what they do not contain."""
        rows, steps = await self._counted_in(connection, UNCOUNTED, seen_by(caller, self.things.c.tenant))
        query = select(totals.c.from_state, totals.c.to_state, func.sum(totals.c.count)).where(
            totals.c.ledger == self.name, seen_by(caller, totals.c.tenant)
        )
        for origin, to, count in await connection.execute(query.group_by(totals.c.from_state, totals.c.to_state)):
            step = self._step(origin or None, to)
            steps[step] = steps.get(step, 0) + int(count)
            if step[1] in self.ended:
                rows[step[1]] = rows.get(step[1], 0) + int(count)
        return _without_zeros(rows), _without_zeros(steps)

    async def recount(self, connection: AsyncConnection, caller: Caller) -> tuple[dict[S, int], dict[tuple[S | None, S], int]]:
        """Returns what `read` returns, without the totals: takes the longer the more the ledger holds."""
        return await self._counted_in(connection, seen_by(caller, self.things.c.tenant))

    async def _counted_in(
        self, connection: AsyncConnection, *conditions: ColumnElement[bool] | Any
    ) -> tuple[dict[S, int], dict[tuple[S | None, S], int]]:
        matching = and_(*conditions)
        states = select(self.things.c.state, func.count()).where(matching).group_by(self.things.c.state)
        step = (self.entries.c.from_state, self.entries.c.to_state)
        joined = self.entries.join(self.things, self.entry_of == self.id)
        steps: Select[Any] = select(*step, func.count()).select_from(joined).where(matching).group_by(*step)
        rows = {self.state(name): count for name, count in await connection.execute(states)}
        return rows, {self._step(origin, to): count for origin, to, count in await connection.execute(steps)}

    async def _add(self, connection: AsyncConnection, counts: Counter[tuple[str, str, str]]) -> None:
        # In one order everywhere, so that two transactions never wait for each other.
        for (tenant, origin, to), count in sorted(counts.items()):
            row = {"ledger": self.name, "tenant": tenant, "from_state": origin, "to_state": to, "count": count}
            insert = insert_into(connection, totals).values(row)
            added = {"count": totals.c.count + insert.excluded.count}
            await connection.execute(insert.on_conflict_do_update(index_elements=list(totals.primary_key), set_=added))

    async def _mark(self, connection: AsyncConnection, ids: Sequence[str], *, counted: bool) -> None:
        await connection.execute(update(self.things).where(self.id.in_(ids)).values(counted=literal(counted)))

    def _step(self, origin: str | None, to: str) -> tuple[S | None, S]:
        return (None if origin is None else self.state(origin)), self.state(to)


def _named(tenant: str, steps: Sequence[tuple[S | None, S]]) -> list[tuple[str, str, str]]:
    return [(tenant, "" if origin is None else origin.value, to.value) for origin, to in steps]


K = TypeVar("K")


def _without_zeros(counts: Mapping[K, int]) -> dict[K, int]:
    return {key: count for key, count in counts.items() if count}


RECORDINGS = Book(
    name="recordings",
    things=recordings,
    id=recordings.c.recording_id,
    entries=entries,
    entry_of=entries.c.recording_id,
    state=State,
    transitions=states.TRANSITIONS,
    first=State.ACCEPTED,
)
CALLS = Book(
    name="calls",
    things=calls,
    id=calls.c.call_id,
    entries=call_entries,
    entry_of=call_entries.c.call_id,
    state=CallStatus,
    transitions=call_states.TRANSITIONS,
    first=CallStatus.ACTIVE,
)


class Totals(PeriodicWork):
    """A component: counts what has ended, every few seconds. Several instances may do so at once."""

    def __init__(self, engine: AsyncEngine) -> None:
        super().__init__(
            self.count,
            every_seconds=_EVERY_SECONDS,
            failed=lambda error: log.warning("totals.not_counted", reason=str(error)),
        )
        self._engine = engine
        self._disagreeing: set[str] = set()

    async def count(self) -> None:
        """Counts all that has ended. Raises `DatabaseUnavailable`."""
        for book in (RECORDINGS, CALLS):
            await self._count(book)

    async def _count(self, book: "Book[Any]") -> None:
        seen, disagreeing = _BATCH, list[str]()
        while seen == _BATCH and len(disagreeing) < _MOST_DISAGREEING and not self._stopping.is_set():
            async with transaction(self._engine) as connection:
                seen, found = await book.count(connection, limit=_BATCH, besides=disagreeing)
            disagreeing += found
            for id in found:
                if id not in self._disagreeing:
                    self._disagreeing.add(id)
                    log.error("ledger.disagrees", ledger=book.name, id=id, reason="its entries do not lead to its state")
