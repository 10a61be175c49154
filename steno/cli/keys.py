"""`steno keys`: API keys for people and systems that come in."""

from pathlib import Path
from typing import Annotated

import typer

from steno.cli.terminal import out, refused
from steno.http.auth import key_line, make_key

app = typer.Typer(help="Make API keys.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Keeps `add` a command of its own while it is the only one."""


@app.command()
def add(
    name: Annotated[str, typer.Argument(help="Who the key is for, one word; it stands in the key file and in logs.")],
    file: Annotated[Path, typer.Option(help="Key file of the services (STENO_INGEST_API_KEYS_FILE); made when missing.")],
) -> None:
    """Make an API key, print it once, and add its digest to the key file. Running services accept it at once."""
    try:
        out.say(add_key(file, name))
    except ValueError as error:
        raise refused(error) from None


def add_key(file: Path, name: str) -> str:
    """Adds a new key's digest to a key file and returns the key, which is kept nowhere."""
    key = make_key()
    line = key_line(name, key)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.touch(mode=0o600, exist_ok=True)
    with file.open("a", encoding="utf-8") as stream:
        stream.write(line)
    return key
