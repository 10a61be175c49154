"""The command `steno ledger`: the counts of the ledger, or what it does not share with the calls of a PBX."""

from pathlib import Path
from typing import Annotated, Any

import typer

from steno.cli import api
from steno.cli.against import reconcile
from steno.cli.api import ApiAddress
from steno.cli.call_lists import Columns
from steno.cli.data_folder import DEFAULT_DATA, Data
from steno.cli.options import AsJson, Key, Url
from steno.cli.recordings import find_api_or_exit, run_or_exit
from steno.cli.terminal import out, styled


def ledger(
    against: Annotated[
        Path | None, typer.Option(help="CSV file of the PBX's calls, to hold the ledger against.", exists=True, dir_okay=False)
    ] = None,
    tolerance: Annotated[float, typer.Option(help="Seconds by which a call may be shorter than at the PBX.", min=0)] = 5,
    id_column: Annotated[str, typer.Option(help="Column of the CSV with the call's id.")] = "call_id",
    start_column: Annotated[str, typer.Option(help="Column with its start: a time, in UTC without a zone.")] = "started_at",
    duration_column: Annotated[str, typer.Option(help="Column with its duration: seconds, or H:MM:SS.")] = "duration",
    data: Data = DEFAULT_DATA,
    as_json: AsJson = False,
    url: Url = None,
    key: Key = None,
) -> None:
    """Show the numbers of accepted recordings and calls by state. The exit status is 1 if the ledger does not balance.

    With --against, show instead which calls of the PBX are missing in the ledger, which calls of the ledger the PBX does not
    have, and which are too short. The exit status is 1 if there are any, or rows that cannot be read.
    """
    if against is not None:
        columns = Columns(id=id_column, start=start_column, duration=duration_column)
        address = find_api_or_exit(data, url, key)
        reconcile(address, against, columns, tolerance_seconds=tolerance, as_json=as_json)
        return
    balance = run_or_exit(_balance(find_api_or_exit(data, url, key)))
    if as_json:
        out.json(balance)
    else:
        live = balance["calls"]
        names = [name for name in dict.fromkeys([*balance, *live]) if name not in ("calls", "balanced")]
        out.table(("state", "recordings", "calls"), [(name, balance.get(name, ""), live.get(name, "")) for name in names])
        out.print_line("balanced" if balance["balanced"] else styled("red", "not balanced"))
    if not balance["balanced"]:
        raise typer.Exit(1)


async def _balance(address: ApiAddress) -> dict[str, Any]:
    async with api.connect_api(address) as client:
        return await client.ledger()
