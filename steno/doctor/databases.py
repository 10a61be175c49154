"""The check of a service's database: reachable, migrated, with room. Needs what `steno[sql]` installs."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from steno.doctor.checks import Check
from steno.doctor.findings import Finding, error, ok, warning
from steno.doctor.service_checks import disk_space
from steno.doctor.services import judge_clock
from steno.storage import database

_CONNECT_SECONDS = 8.0
#: Rows of a kilobyte that are written into a table that nobody keeps, to see whether the disk takes them.
_PROBE_ROWS = 512


def database_check(service: str, url: str) -> Check:
    """Makes the check of the database of a service, whose migrations are in the package `steno_SERVICE`."""

    async def run() -> list[Finding]:
        return await check_database(service, url)

    return Check(name=f"{service} database", run=run, seconds=_CONNECT_SECONDS + 7)


async def check_database(service: str, url: str) -> list[Finding]:
    """Checks it, and changes nothing."""
    parsed = make_url(url)
    where = parsed.render_as_string(hide_password=True)
    if parsed.get_backend_name() == "sqlite" and parsed.database and not await asyncio.to_thread(Path(parsed.database).exists):
        return [error(where, "there is no such file", f"start the {service}, which makes it, or correct its DATABASE_URL")]
    engine = database.connect(url)
    try:
        async with asyncio.timeout(_CONNECT_SECONDS):
            here, newest = await database.revisions(engine, f"steno_{service}")
        found = [judge_revision(service, where, here, newest)]
        if engine.dialect.name == "postgresql":
            return found + await _postgres(engine, where)
        return [*found, await asyncio.to_thread(_space_beside, str(parsed.database))]
    except TimeoutError:
        todo = "check the address in its DATABASE_URL, and what drops packets on the way"
        return [error(where, f"no answer within {_CONNECT_SECONDS:g} s", todo)]
    except (DBAPIError, OSError) as failure:
        reason = failure.orig if isinstance(failure, DBAPIError) else failure
        return [error(where, f"it cannot be used: {reason}", "check its DATABASE_URL, and that the server runs and lets it in")]
    finally:
        await engine.dispose()


def judge_revision(service: str, where: str, here: str | None, newest: str) -> Finding:
    """Judges the revision of the tables against the newest that this version knows."""
    if here is None:
        return error(where, "it has no tables yet", f"start the {service}, which makes them, or run `steno {service} migrate`")
    if here > newest:
        return error(
            where,
            f"a newer version of Steno has migrated it, to {here}; this one knows {newest}",
            "upgrade the services that are older, or restore the backup from before the upgrade",
        )
    if here < newest:
        return warning(
            where,
            f"its tables are those of an older version, {here} instead of {newest}",
            f"restart the {service} in this version, which migrates them, or run `steno {service} migrate`",
        )
    return ok(where, f"its tables are up to date, revision {here}")


def _space_beside(file: str) -> Finding:
    return disk_space(Path(file).absolute().parent)


async def _postgres(engine: AsyncEngine, where: str) -> list[Finding]:
    try:
        async with engine.connect() as connection:
            now = (await connection.execute(text("SELECT clock_timestamp()"))).scalar_one()
            ahead = (now - datetime.now(UTC)).total_seconds()
            # Rows of a table of this connection alone take room on the server's disk like any other.
            await connection.execute(text("CREATE TEMPORARY TABLE steno_doctor (filler text) ON COMMIT DROP"))
            await connection.execute(
                text("INSERT INTO steno_doctor SELECT repeat(md5(n::text), 32) FROM generate_series(1, :rows) AS n"),
                {"rows": _PROBE_ROWS},
            )
            await connection.rollback()
    except DBAPIError as failure:
        todo = "if its disk is full, give it room; else let this user create temporary tables, and look at the server's log"
        return [error(where, f"it takes no rows: {failure.orig}", todo)]
    return [*judge_clock(where, ahead), ok(where, "it takes rows")]
