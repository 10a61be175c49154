"""Who asks: what the gate has found out of the key that a request carries (`steno.http.gate`)."""

from typing import Annotated

from fastapi import Depends, Request

from steno.callers import Caller


async def _caller(request: Request) -> Caller:
    caller: Caller = request.state.caller
    return caller


WhoAsks = Annotated[Caller, Depends(_caller)]
"""A parameter of a route; an application without a gate lets nobody in."""
