"""Lists of rows: those that a caller sees and asks for, page by page."""

from datetime import datetime
from typing import Any

from sqlalchemy import Column, ColumnElement, Row, Select, true, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from steno.paging import Page, Position
from steno.tenants import Caller


def seen_by(caller: Caller, tenant: ColumnElement[str]) -> ColumnElement[bool]:
    """The condition that a caller sees a row."""
    return true() if caller.everything else tenant == caller.tenant


def matching(
    *wanted: tuple[Column[Any], str | None], at: Column[Any], since: datetime | None = None, until: datetime | None = None
) -> list[ColumnElement[bool]]:
    """The conditions of what a caller asks for, where None asks for nothing.

    Args:
        wanted: Columns, each with the value that it is to have.
        since: The time in column `at` is this one or a later one.
        until: It is before this one.
    """
    conditions = [column == value for column, value in wanted if value is not None]
    if since is not None:
        conditions.append(at >= since)
    if until is not None:
        conditions.append(at < until)
    return conditions


async def read_page(
    connection: AsyncConnection,
    query: Select[Any],
    *,
    at: Column[Any],
    id: Column[Any],
    after: Position | None,
    limit: int,
    newest_first: bool = True,
) -> Page[Row[Any]]:
    """The rows of a query by time and then id, from after a position on; rows added meanwhile do not shift them."""
    if after is not None:
        key, end = tuple_(at, id), tuple_(after.at, after.id)
        query = query.where(key < end if newest_first else key > end)
    order = (at.desc(), id.desc()) if newest_first else (at, id)
    # One more than wanted tells whether there is another page.
    rows = list(await connection.execute(query.order_by(*order).limit(limit + 1)))
    if len(rows) <= limit:
        return Page(entries=rows, end=None)
    last = rows[limit - 1]._mapping
    return Page(entries=rows[:limit], end=Position(at=last[at], id=last[id]))
