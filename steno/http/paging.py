"""The query parameters of REST lists: the cursor and the page size."""

from typing import Annotated

from fastapi import Query

from steno import paging
from steno.http.problems import not_there
from steno.paging import Position

Cursor = Annotated[str | None, Query(max_length=1024, description="`next` of the previous page; omit it for the first page.")]
Limit = Annotated[int, Query(ge=1, le=500, description="The maximum number of entries of a page.")]


def position(cursor: str | None) -> Position | None:
    """Decodes a cursor to the position where the previous page ended; returns None for the first page.

    Raises:
        ApiProblem: the cursor is not valid.
    """
    try:
        return None if cursor is None else paging.decode(cursor)
    except ValueError as error:
        raise not_there(str(error)) from None
