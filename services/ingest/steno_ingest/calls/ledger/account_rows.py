"""Stores the accounts of calls, from which the next reader of the call log continues."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, delete, select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from steno.storage.transactions import insert_into, transaction
from steno_ingest.calls.ledger.tables import call_accounts
from steno_ingest.outbox import now

# Keeps the number of parameters below SQLite's limit per statement (32,766 since 3.32).
_ROWS = 500


@dataclass(frozen=True, kw_only=True, slots=True)
class SavedAccount:
    """The saved account of a call."""

    call_id: str
    partition: int
    next_offset: int
    foreign: bool
    ended: bool
    #: See `steno_ingest.calls.log.account.account.Account.to_json`.
    account: dict[str, Any]


class AccountRows:
    """Accounts in the ledger's database. Every method may raise `DatabaseUnavailable`, and then changed nothing."""

    def __init__(self, engine: AsyncEngine, *, clock: Callable[[], datetime] = now) -> None:
        self._engine = engine
        self._clock = clock

    async def unfinished(self, partition: int) -> list[SavedAccount]:
        """Returns the accounts of a partition's calls that are open or whose recording is not made yet."""
        query = select(call_accounts).where(call_accounts.c.partition == partition, call_accounts.c.finished_at.is_(None))
        async with transaction(self._engine) as connection:
            return [_saved(row) for row in await connection.execute(query)]

    async def find(self, call_id: str) -> SavedAccount | None:
        """Returns the account of a call, finished or not."""
        query = select(call_accounts).where(call_accounts.c.call_id == call_id)
        async with transaction(self._engine) as connection:
            row = (await connection.execute(query)).one_or_none()
        return None if row is None else _saved(row)

    async def save(self, accounts: Sequence[SavedAccount]) -> None:
        """Saves accounts, all or none. A saved account with a higher offset is kept: the caller may have lost its partition."""
        if not accounts:
            return
        async with transaction(self._engine) as connection:
            for first in range(0, len(accounts), _ROWS):
                statement = insert_into(connection, call_accounts).values(
                    [_columns(account) for account in accounts[first : first + _ROWS]]
                )
                new = statement.excluded
                await connection.execute(
                    statement.on_conflict_do_update(
                        index_elements=[call_accounts.c.call_id],
                        set_={"next_offset": new.next_offset, "ended": new.ended, "account": new.account},
                        where=call_accounts.c.next_offset < new.next_offset,
                    )
                )

    async def finish(self, call_id: str) -> None:
        """Marks a call as finished: its recording was made, or there is none."""
        query = update(call_accounts).where(call_accounts.c.call_id == call_id, call_accounts.c.finished_at.is_(None))
        async with transaction(self._engine) as connection:
            await connection.execute(query.values(finished_at=self._clock()))

    async def is_finished(self, call_id: str) -> bool:
        """Whether a call is finished."""
        query = select(call_accounts.c.finished_at).where(call_accounts.c.call_id == call_id)
        async with transaction(self._engine) as connection:
            return (await connection.execute(query)).scalar_one_or_none() is not None

    async def delete(self, *, finished_before: datetime) -> int:
        """Deletes the accounts that were finished before a time; returns how many."""
        async with transaction(self._engine) as connection:
            return (
                await connection.execute(delete(call_accounts).where(call_accounts.c.finished_at < finished_before))
            ).rowcount


def _saved(row: Row[Any]) -> SavedAccount:
    return SavedAccount(
        call_id=row.call_id,
        partition=row.partition,
        next_offset=row.next_offset,
        foreign=row.is_foreign,
        ended=row.ended,
        account=row.account,
    )


def _columns(account: SavedAccount) -> dict[str, Any]:
    return {
        "call_id": account.call_id,
        "partition": account.partition,
        "next_offset": account.next_offset,
        "is_foreign": account.foreign,
        "ended": account.ended,
        "account": account.account,
        "finished_at": None,
    }
