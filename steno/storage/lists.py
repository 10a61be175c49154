"""Lists of rows: those that a caller sees, page by page."""

from typing import Any

from sqlalchemy import Column, ColumnElement, Row, Select, true, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from steno.paging import Page, Position
from steno.tenants import Caller


def seen_by(caller: Caller, tenant: ColumnElement[str]) -> ColumnElement[bool]:
    """The condition that a row is one that a caller sees."""
    return true() if caller.everything else tenant == caller.tenant


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
