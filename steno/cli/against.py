"""`steno ledger --against`: holds the ledger against the calls of a PBX, and shows the differences."""

from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path
from typing import Any

import typer
from rich.progress import TextColumn, TimeElapsedColumn

from steno.cli import api
from steno.cli.api import ApiAddress
from steno.cli.call_lists import CallList, Columns, NotACallList, read_call_list
from steno.cli.reconciliation import Differences, Reconciliation
from steno.cli.recordings import run_or_exit
from steno.cli.terminal import bad_parameter, notes, out, styled

_SLACK = timedelta(hours=1)
"""How far the clock of the PBX may be ahead of the ledger's."""

_SHOWN = 100


def reconcile(address: ApiAddress, file: Path, columns: Columns, *, tolerance_seconds: float, as_json: bool) -> None:
    """Compares, and prints the differences; the exit status is 1 if there are any, or rows that cannot be read."""
    try:
        with file.open(encoding="utf-8-sig", errors="replace", newline="") as lines:
            listed = read_call_list(lines, columns)
    except NotACallList as error:
        raise bad_parameter(f"{file}: {error}") from None
    except OSError as error:
        raise bad_parameter(f"{file} cannot be read: {error.strerror}") from None
    if not listed.calls:
        _print_faults(file, listed)
        raise bad_parameter(f"{file} has no call that can be read")
    found = run_or_exit(_compare(address, listed, tolerance_seconds))
    if as_json:
        out.json(_document(listed, found))
    else:
        _print(listed, found)
        _print_faults(file, listed)
    if found.missing or found.extra or found.too_short or listed.faults:
        raise typer.Exit(1)


async def _compare(address: ApiAddress, listed: CallList, tolerance_seconds: float) -> Differences:
    """Reads all entries of the ledger since the first call of the list."""
    reconciliation = Reconciliation(listed, tolerance_seconds=tolerance_seconds)
    since = (listed.span[0] - _SLACK).isoformat().replace("+00:00", "Z")
    columns = (TextColumn("{task.description}", markup=False), TimeElapsedColumn())
    async with api.connect_api(address) as client:
        with notes.progress(*columns, transient=True) as progress:
            for path, add in (("calls", reconciliation.add_call), ("recordings", reconciliation.add_recording)):
                read, task = 0, progress.add_task(f"{path} of the ledger")
                async for page in client.pages(path, {"since": since}):
                    for entry in page:
                        add(entry)
                    read += len(page)
                    progress.update(task, description=f"{read} {path} of the ledger read")
    return reconciliation.differences()


def _print(listed: CallList, found: Differences) -> None:
    missing = [(call.call_id, f"{call.started_at:%Y-%m-%d %H:%M:%S}", f"{call.seconds:g}", call.line) for call in found.missing]
    _print_table("missing", ("call", "started", "seconds", "line"), missing)
    _print_table("extra", ("call", "since"), list(found.extra.items()))
    short = [
        (each.call.call_id, f"{each.call.seconds:g}", f"{each.ledger_seconds:g}", each.call.line) for each in found.too_short
    ]
    _print_table("too short", ("call", "seconds at the PBX", "in the ledger", "line"), short)
    differ = bool(found.missing or found.extra or found.too_short)
    counts = f"{len(found.missing)} missing, {len(found.extra)} extra, {len(found.too_short)} too short"
    unmeasured = f", {found.unmeasured} of unknown length (not ended, or failed)" if found.unmeasured else ""
    out.print_line(f"{len(listed.calls)} calls of the PBX: ", styled("red" if differ else "green", counts), unmeasured)


def _print_table(title: str, columns: tuple[str, ...], rows: list[tuple[Any, ...]]) -> None:
    if not rows:
        return
    out.print_line(styled("bold", f"{title}:"))
    out.table(columns, rows[:_SHOWN])
    if len(rows) > _SHOWN:
        out.print_line(f"and {len(rows) - _SHOWN} more; --json has all")


def _print_faults(file: Path, listed: CallList) -> None:
    for line, reason in list(listed.faults.items())[:_SHOWN]:
        notes.print_error(reason, who=f"{file}, line {line}")
    if len(listed.faults) > _SHOWN:
        notes.print_line(f"and {len(listed.faults) - _SHOWN} lines more")


def _document(listed: CallList, found: Differences) -> dict[str, Any]:
    def calls(which: Iterable[Any]) -> list[dict[str, Any]]:
        return [
            {"call_id": call.call_id, "started_at": call.started_at.isoformat(), "seconds": call.seconds, "line": call.line}
            for call in which
        ]

    too_short = zip(calls(short.call for short in found.too_short), found.too_short, strict=True)
    return {
        "calls": len(listed.calls),
        "missing": calls(found.missing),
        "extra": [{"call_id": call_id, "since": since} for call_id, since in found.extra.items()],
        "too_short": [{**call, "ledger_seconds": short.ledger_seconds} for call, short in too_short],
        "unmeasured": found.unmeasured,
        "bad_rows": [{"line": line, "reason": reason} for line, reason in listed.faults.items()],
    }
