"""Checks that the ledger balances: the counts of rows by state agree with the counts of entries."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeVar

from sqlalchemy import exists, func, select
from sqlalchemy.ext.asyncio import AsyncEngine

from steno.events.records import CallStatus
from steno.storage.lists import seen_by
from steno.storage.transactions import transaction
from steno.tenants import Caller
from steno_ingest.calls.ledger import states as call_states
from steno_ingest.recordings import states
from steno_ingest.recordings.states import State
from steno_ingest.recordings.tables import recordings
from steno_ingest.tables import outbox, outbox_refused
from steno_ingest.totals import CALLS, RECORDINGS

S = TypeVar("S", bound=StrEnum)


@dataclass(frozen=True, kw_only=True, slots=True)
class Tally(Generic[S]):
    """The numbers of recordings (or calls) by state, and of transitions by their states."""

    #: The table of legal transitions, and the first state.
    transitions: Mapping[S, frozenset[S]]
    first: S
    #: The number of rows by state.
    rows: Mapping[S, int]
    #: The number of entries by the states before (None: accepted) and after the transition.
    steps: Mapping[tuple[S | None, S], int]

    @property
    def accepted(self) -> int:
        """The number of all ever accepted, by the entries."""
        return sum(count for (origin, _), count in self.steps.items() if origin is None)

    @property
    def balanced(self) -> bool:
        """Whether the counts agree: there are as many rows as were accepted, each state has as many rows as entered and did not
        leave it, and all transitions are legal."""
        legal = all(to is self.first if origin is None else to in self.transitions[origin] for origin, to in self.steps)
        return (
            legal
            and self.accepted == sum(self.rows.values())
            and all(self.rows.get(state, 0) == self._remaining(state) for state in self.transitions)
        )

    def _remaining(self, state: S) -> int:
        came = sum(count for (_, to), count in self.steps.items() if to is state)
        left = sum(count for (origin, _), count in self.steps.items() if origin is state)
        return came - left


def tally_of_recordings(rows: Mapping[State, int], steps: Mapping[tuple[State | None, State], int]) -> Tally[State]:
    """Makes the tally of recordings."""
    return Tally(transitions=states.TRANSITIONS, first=State.ACCEPTED, rows=rows, steps=steps)


def tally_of_calls(
    rows: Mapping[CallStatus, int], steps: Mapping[tuple[CallStatus | None, CallStatus], int]
) -> Tally[CallStatus]:
    """Makes the tally of live calls."""
    return Tally(transitions=call_states.TRANSITIONS, first=CallStatus.ACTIVE, rows=rows, steps=steps)


@dataclass(frozen=True, kw_only=True, slots=True)
class LedgerBalance:
    """The counts of the ledger, which must agree."""

    recordings: Tally[State]
    calls: Tally[CallStatus]
    #: Accepted recordings that are not on Kafka, not in the outbox, and not refused by Kafka.
    unpublished: int
    #: Whether a recount came to the same numbers; true where there was none.
    totals_agree: bool = True

    @property
    def balanced(self) -> bool:
        """Whether both tallies are balanced and no recording is left unpublished."""
        return self.totals_agree and self.unpublished == 0 and self.recordings.balanced and self.calls.balanced


async def read_balance(engine: AsyncEngine, caller: Caller, *, recount: bool = False) -> LedgerBalance:
    """Reads the counts of what a caller sees, all from the same state of the database.

    Args:
        recount: Counts every row and entry anew, and holds the totals against that; on a ledger of millions it takes seconds.
    """
    in_outbox = exists().where(outbox.c.recording_id == recordings.c.recording_id)
    refused = exists().where(outbox_refused.c.recording_id == recordings.c.recording_id)
    async with transaction(engine, snapshot=True) as connection:
        unpublished = await connection.execute(
            select(func.count())
            .select_from(recordings)
            .where(recordings.c.published_at.is_(None), ~in_outbox, ~refused, seen_by(caller, recordings.c.tenant))
        )
        counted = await RECORDINGS.read(connection, caller), await CALLS.read(connection, caller)
        found = counted
        if recount:
            found = await RECORDINGS.recount(connection, caller), await CALLS.recount(connection, caller)
        return LedgerBalance(
            recordings=tally_of_recordings(*found[0]),
            calls=tally_of_calls(*found[1]),
            unpublished=unpublished.scalar_one(),
            totals_agree=found == counted,
        )
