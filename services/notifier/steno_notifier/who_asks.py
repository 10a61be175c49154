"""The caller of a request, as the gate identified it by its API key (`steno.http.gate`)."""

from typing import Annotated

from fastapi import Depends, Request

from steno.tenants import Caller


async def _caller(request: Request) -> Caller:
    caller: Caller = request.state.caller
    return caller


WhoAsks = Annotated[Caller, Depends(_caller)]
"""A parameter of a route; an application without a gate lets nobody in."""
