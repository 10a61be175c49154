"""Who may come in: API keys, as a bearer token or in a header of their own (RFC 6750)."""

from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import APIKeyHeader, HTTPBearer

from steno.http.auth import ApiKeys, presented_key
from steno_ingest.rest.problems import ApiProblem

# They document the two ways; `presented_key` reads them.
_BEARER = HTTPBearer(auto_error=False, scheme_name="bearer", description="The API key as a bearer token.")
_HEADER = APIKeyHeader(name="X-Api-Key", auto_error=False, scheme_name="api_key", description="The API key.")


ClientName = Callable[..., Awaitable[str]]
"""A dependency: the name of the client whose key a request carries."""


def client_of(keys: ApiKeys) -> ClientName:
    """A dependency that gives the name of the client whose key a request carries, and refuses one without."""

    async def client(
        request: Request, _bearer: Annotated[object, Depends(_BEARER)], _header: Annotated[object, Depends(_HEADER)]
    ) -> str:
        key = presented_key(request.headers)
        caller = None if key is None else keys.verify(key)
        if caller is None:
            detail = (
                "no API key was sent; send one as `Authorization: Bearer KEY` or `X-Api-Key: KEY`"
                if key is None
                else "the API key is not one of this service; ask its operator for one"
            )
            raise ApiProblem(401, "api_key", detail, headers={"WWW-Authenticate": 'Bearer realm="steno"'})
        return caller.name

    return client
