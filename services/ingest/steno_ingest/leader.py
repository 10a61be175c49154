"""Elects one of the instances that share a PostgreSQL as the leader; on SQLite there is one instance only."""

from sqlalchemy import func, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from steno.storage.database import DatabaseUnavailable

# Any number that is not used for another lock on this database (PostgreSQL §13.3.5, advisory locks).
_LOCK = 0x4F5554424F58


class Leader:
    """Holds an advisory lock on a connection; when the instance dies, PostgreSQL releases the lock for another one."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._connection: AsyncConnection | None = None

    async def lead(self) -> bool:
        """Tries to become or stay the leader; returns whether this instance is. Called before each piece of work.

        Raises:
            DatabaseUnavailable: the database is unreachable, so this instance is not the leader any more.
        """
        if self._engine.dialect.name != "postgresql":
            return True
        try:
            if self._connection is not None:
                await self._connection.execute(select(1))
                return True
            return await self._try()
        except (DBAPIError, PoolTimeout, OSError) as error:
            await self.resign()
            raise DatabaseUnavailable(f"the database does not answer: {error}") from error

    async def resign(self) -> None:
        """Gives up the leadership."""
        connection, self._connection = self._connection, None
        if connection is not None:
            # A connection in the pool would keep the lock.
            await connection.invalidate()
            await connection.close()

    async def _try(self) -> bool:
        connection = await self._engine.connect()
        try:
            await connection.execution_options(isolation_level="AUTOCOMMIT")
            if (await connection.execute(select(func.pg_try_advisory_lock(_LOCK)))).scalar_one():
                self._connection = connection
                return True
            return False
        finally:
            if self._connection is None:
                await connection.close()
