"""Transactions, and inserts for both kinds of database."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from sqlalchemy import Table
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from steno.storage.database import translate_errors


@asynccontextmanager
async def transaction(engine: AsyncEngine, *, snapshot: bool = False) -> AsyncIterator[AsyncConnection]:
    """Runs the block in one transaction, which is committed at its end.

    Args:
        snapshot: All statements see the same state of the database (on SQLite they always do).

    Raises:
        DatabaseUnavailable: the database is unreachable, busy or full; the transaction was rolled back.
    """
    with translate_errors():
        async with engine.connect() as connection:
            if snapshot and engine.dialect.name == "postgresql":
                await connection.execution_options(isolation_level="REPEATABLE READ")
            async with connection.begin():
                yield connection


def insert_into(database: AsyncConnection | AsyncEngine, table: Table) -> sqlite.Insert | postgresql.Insert:
    """Makes an insert in the dialect of the database, which supports `ON CONFLICT`."""
    return sqlite.insert(table) if database.dialect.name == "sqlite" else postgresql.insert(table)


async def insert_once(connection: AsyncConnection, table: Table, values: Mapping[str, Any]) -> bool:
    """Inserts a row unless one with its primary key exists; returns whether it did.

    On PostgreSQL it waits for a transaction that is inserting the same row.
    """
    result = await connection.execute(insert_into(connection, table).values(**values).on_conflict_do_nothing())
    return result.rowcount == 1
