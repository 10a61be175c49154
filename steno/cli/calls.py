"""The command `steno calls`: lists the live calls of a suite."""

from typing import Annotated, Any

import typer

from steno.cli import api
from steno.cli.api import ApiAddress
from steno.cli.data_folder import DEFAULT_DATA, Data
from steno.cli.options import AsJson, Key, Url
from steno.cli.recordings import find_api_or_exit, run_or_exit
from steno.cli.terminal import out
from steno.events.records import CallStatus


def calls(
    data: Data = DEFAULT_DATA,
    state: Annotated[CallStatus | None, typer.Option(help="Only calls in this state, e.g. active.")] = None,
    limit: Annotated[int, typer.Option(help="Maximum number of calls.", min=1, max=500)] = 20,
    as_json: AsJson = False,
    url: Url = None,
    key: Key = None,
) -> None:
    """List live calls, newest first."""
    found = run_or_exit(
        _listed(find_api_or_exit(data, url, key), {"limit": str(limit), **({"state": state.value} if state else {})})
    )
    if as_json:
        out.json(found)
        return
    out.table(("call", "began", "door", "state", "heard", "speakers"), map(_row, found))


def _row(call: dict[str, Any]) -> tuple[str, ...]:
    minutes, seconds = divmod(call["heard_ms"] // 1000, 60)
    state = f"{call['state']}, paused" if call["paused"] and call["ended_at"] is None else call["state"]
    speakers = ", ".join(channel["participant"] or channel["role"] for channel in call["channels"])
    return call["call_id"], call["started_at"][:19].replace("T", " "), call["door"], state, f"{minutes}:{seconds:02}", speakers


async def _listed(address: ApiAddress, parameters: dict[str, str]) -> list[dict[str, Any]]:
    async with api.connect_api(address) as client:
        return await client.calls(parameters)
