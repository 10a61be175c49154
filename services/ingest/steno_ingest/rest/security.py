"""Who may come in: API keys, as a bearer token or in a header of their own (RFC 6750)."""

from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import APIKeyHeader, HTTPBearer

from steno.tenants import Caller

# They document the two ways; the gate reads them (`steno.http.gate`).
_BEARER = HTTPBearer(auto_error=False, scheme_name="bearer", description="The API key as a bearer token.")
_HEADER = APIKeyHeader(name="X-Api-Key", auto_error=False, scheme_name="api_key", description="The API key.")


Client = Callable[..., Awaitable[Caller]]
"""A dependency: the caller whose key a request carries."""


async def client(
    request: Request, _bearer: Annotated[object, Depends(_BEARER)], _header: Annotated[object, Depends(_HEADER)]
) -> Caller:
    """The caller whose key the gate has let in; an application without a gate lets nobody in."""
    caller: Caller = request.state.caller
    return caller
