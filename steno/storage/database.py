"""Connects to and migrates databases: SQLite (WAL) for one machine, PostgreSQL for many. Each service owns its own."""

import asyncio
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, event, inspect, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, ProgrammingError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.util import await_only

from steno.errors import Retryable

_BUSY_MILLISECONDS = 10_000
# Any number will do, as long as all services of one database take the same (PostgreSQL §13.3.5, advisory locks).
_MIGRATION_LOCK = 0x5354454E4F


class DatabaseUnavailable(Retryable):
    """The database is unreachable, full or busy; the same transaction may succeed later."""

    error_class = "database_unavailable"


@contextmanager
def translate_errors() -> Iterator[None]:
    """Translates errors of the database about itself; errors about a statement of ours are left as they are.

    Raises:
        DatabaseUnavailable: the database is unreachable, full or busy.
    """
    try:
        yield
    except (DataError, IntegrityError, ProgrammingError):
        raise
    except (DBAPIError, PoolTimeoutError, OSError) as error:
        # What the driver says alone: SQLAlchemy adds the statement's values, which do not belong in a log.
        reason = error.orig if isinstance(error, DBAPIError) else error
        raise DatabaseUnavailable(f"the database did not take a transaction: {reason!r}") from error


def connect(url: str) -> AsyncEngine:
    """Makes an engine for `sqlite:///FILE` or `postgresql://USER:PASSWORD@HOST/NAME`.

    Raises:
        ValueError: the URL names another kind of database.
    """
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite":
        queue: dict[str, Any] = {}
        if parsed.database:
            Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
            # One transaction at a time writes. Those of a process queue here: SQLite would have them look again, in no order.
            queue = {"pool_size": 1, "max_overflow": 0, "pool_timeout": _BUSY_MILLISECONDS / 1000}
        engine = create_async_engine(parsed.set(drivername="sqlite+aiosqlite"), **queue)
        event.listen(engine.sync_engine, "connect", _prepare_sqlite)
        event.listen(engine.sync_engine, "begin", _begin_immediate)
        return engine
    if parsed.get_backend_name() == "postgresql":
        return create_async_engine(parsed.set(drivername="postgresql+asyncpg"), pool_size=10, pool_pre_ping=True)
    raise ValueError(f"{parsed.get_backend_name()!r} is not a database Steno keeps rows in: use sqlite:/// or postgresql://")


async def migrate(engine: AsyncEngine, package: str) -> None:
    """Brings the tables up to date by the Alembic migrations in `PACKAGE/migrations`; two processes may do so at once."""
    folder = files(package) / "migrations"
    async with engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MIGRATION_LOCK})
        if await connection.run_sync(_revision) != _newest_revision(folder):
            await connection.run_sync(_upgrade, folder)


async def revisions(engine: AsyncEngine, package: str) -> tuple[str | None, str]:
    """Reads the revision of a database, None before its first migration, and the newest in `PACKAGE/migrations`."""
    async with engine.connect() as connection:
        return await connection.run_sync(_revision), _newest_revision(files(package) / "migrations")


async def ping(engine: AsyncEngine) -> bool:
    """Whether the database answers within two seconds."""
    try:
        async with asyncio.timeout(2), engine.connect() as connection:
            await connection.execute(text("SELECT 1"))
    except (OSError, TimeoutError, SQLAlchemyError):
        return False
    return True


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    revision: str | None = connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one_or_none()
    return revision


def _newest_revision(folder: Traversable) -> str:
    # The name of each file begins with its revision, and revisions are numbers of one width.
    return max(file.name for file in (folder / "versions").iterdir() if file.name.endswith(".py")).partition("_")[0]


def _upgrade(connection: Connection, folder: Traversable) -> None:
    # Imported here: it takes a sixth of the time in which a service starts, and a start seldom has anything to migrate.
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(folder))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    # Python's driver would begin transactions by itself, and late: see "begin" below.
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in (f"busy_timeout = {_BUSY_MILLISECONDS}", "synchronous = FULL", "foreign_keys = ON"):
        cursor.execute(f"PRAGMA {pragma}")
    _use_write_ahead_log(cursor)
    cursor.close()


def _use_write_ahead_log(cursor: Any) -> None:
    # A new file's change to WAL does not wait for others, as everything else does: SQLite says "locked" at once.
    deadline = time.monotonic() + _BUSY_MILLISECONDS / 1000
    while True:
        try:
            cursor.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError:
            if time.monotonic() > deadline:
                raise
            await_only(asyncio.sleep(0.01))
        else:
            return


def _begin_immediate(connection: Connection) -> None:
    # A writer that starts as a reader fails at once under WAL when another wrote in between; this one waits its turn.
    connection.exec_driver_sql("BEGIN IMMEDIATE")
