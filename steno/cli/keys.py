"""The command `steno keys`: makes, lists and revokes API keys."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from steno.cli import key_store
from steno.cli.data_folder import DEFAULT_DATA, Data
from steno.cli.options import AsJson, examples
from steno.cli.terminal import bad_parameter, out
from steno.key_file import Key, parse_time
from steno.tenants import ALL_TENANTS

app = typer.Typer(help="Make, list and revoke API keys.", no_args_is_help=True)

T = TypeVar("T")

File = Annotated[
    Path | None,
    typer.Option(
        help="Key file of the services (STENO_INGEST_API_KEYS_FILE); without one, that of `steno up`.",
        envvar=["STENO_INGEST_API_KEYS_FILE", "STENO_NOTIFIER_API_KEYS_FILE"],
    ),
]
_DURATION = re.compile(r"(\d{1,5})([dh])")
_SHOWN = 8


@app.command(epilog=examples("steno keys add crm --tenant acme --expires 90d"))
def add(
    name: Annotated[str, typer.Argument(help="Name of the key, one word; it appears in the key file and in logs.")],
    file: File = None,
    data: Data = DEFAULT_DATA,
    tenant: Annotated[
        str | None,
        typer.Option(
            help="Tenant of the key: owns what it submits, and limits what it sees; * sees everything. By default NAME, or the "
            "tenant of NAME's other keys."
        ),
    ] = None,
    expires: Annotated[
        str | None, typer.Option(help="When it expires: 2027-01-31, 2027-01-31T12:00:00Z, or 90d or 12h from now.")
    ] = None,
) -> None:
    """Make an API key, print it once, and add its digest to the key file. Running services accept it immediately."""
    until = None if expires is None else _checked(lambda: parse_expiry(expires, now=datetime.now(UTC)))
    out.print_line(_checked(lambda: key_store.add_key(_file(file, data), name, tenant=tenant, expires=until)))


@app.command("list", epilog=examples("steno keys list", "steno keys list --file /etc/steno/api-keys --json"))
def list_keys(file: File = None, data: Data = DEFAULT_DATA, as_json: AsJson = False) -> None:
    """List the keys of the key file, and its invalid lines."""
    keys, faults = key_store.read_keys(_checked(lambda: key_store.read_text(_file(file, data))))
    now = datetime.now(UTC)
    rows = sorted(keys.values(), key=lambda key: (key.caller.name, key.line))
    if as_json:
        invalid = [{"line": fault.line, "reason": fault.reason} for fault in faults]
        out.json({"keys": [_document(key, now) for key in rows], "invalid": invalid})
        return
    out.table(("name", "tenant", "expires", "digest", "line"), [_row(key, now) for key in rows])
    for fault in faults:
        out.print_line(f"line {fault.line} is not valid: {fault.reason}")


@app.command(epilog=examples("steno keys revoke crm"))
def revoke(
    name: Annotated[str, typer.Argument(help="Name of the keys; all keys of this name are removed.")],
    file: File = None,
    data: Data = DEFAULT_DATA,
) -> None:
    """Remove the keys of a name from the key file. Running services refuse them immediately, and end their open connections."""
    where = _file(file, data)
    gone = _checked(lambda: key_store.revoke(where, name)) if where.exists() else []
    if not gone:
        raise bad_parameter(f"there is no key of {name} in {where}; `steno keys list` shows all keys")
    out.print_line(
        f"removed {len(gone)} of {name}" if {*gone} == {name} else f"removed {len(gone)}, of {', '.join(sorted({*gone}))}"
    )


def parse_expiry(text: str, *, now: datetime) -> datetime:
    """Parses the time at which a key expires, as given to the command.

    Raises:
        ValueError: it is not a time, or not in the future.
    """
    if duration := _DURATION.fullmatch(text):
        hours = int(duration[1]) * (24 if duration[2] == "d" else 1)
        return now + timedelta(hours=hours)
    try:
        when = parse_time(f"{text}T00:00:00Z" if re.fullmatch(r"\d{4}-\d\d-\d\d", text) else text)
    except ValueError:
        raise ValueError(f"{text} is not a time; give 2027-01-31, 2027-01-31T12:00:00Z, 90d or 12h") from None
    if when <= now:
        raise ValueError(f"{text} is in the past")
    return when


def _file(file: Path | None, data: Path) -> Path:
    if file is None and not data.is_dir():
        raise bad_parameter(f"there is no data folder of `steno up` at {data}; name it by --data, or a key file by --file")
    return data / "api-keys" if file is None else file


def _document(key: Key, now: datetime) -> dict[str, Any]:
    return {
        "name": key.caller.name,
        "tenant": ALL_TENANTS if key.caller.everything else key.caller.tenant,
        "expires": None if key.expires is None else key.expires.isoformat(),
        "expired": not key.opens(now),
        "digest": key.caller.key,
        "line": key.line,
    }


def _row(key: Key, now: datetime) -> tuple[str, ...]:
    expires = "" if key.expires is None else f"{key.expires:%Y-%m-%d %H:%M} UTC"
    tenant = ALL_TENANTS if key.caller.everything else key.caller.tenant
    over = "" if key.opens(now) else ", expired"
    return key.caller.name, tenant, expires + over, f"{key.caller.key[:_SHOWN]}…", str(key.line)


def _checked(work: Callable[[], T]) -> T:
    try:
        return work()
    except (ValueError, OSError) as error:
        raise bad_parameter(error) from None
