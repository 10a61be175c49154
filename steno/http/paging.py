"""The parameters of lists in REST: a cursor, and how many entries a page has."""

from typing import Annotated

from fastapi import Query

from steno import paging
from steno.http.problems import not_there
from steno.paging import Position

Cursor = Annotated[str | None, Query(max_length=1024, description="`next` of the page before; none for the first page.")]
Limit = Annotated[int, Query(ge=1, le=500, description="Entries of a page at most.")]


def position(cursor: str | None) -> Position | None:
    """Where the page before ended; None for the first page.

    Raises:
        ApiProblem: no list gave out such a cursor.
    """
    try:
        return None if cursor is None else paging.decode(cursor)
    except ValueError as error:
        raise not_there(str(error)) from None
