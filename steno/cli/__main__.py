"""`steno`: the command line. Other packages add commands by the entry point group `steno.commands`."""

import os
from importlib.metadata import entry_points
from pathlib import Path
from typing import Annotated

import typer
from stamina.instrumentation import set_on_retry_hooks

from steno.cli import call, calls, keys, recordings, terminal, topics, trust, up

app = typer.Typer(
    name="steno",
    help="Call-center transcription on Apache Kafka.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,  # they would show what is in variables, keys too
)


@app.callback()
def options(
    ca: Annotated[
        Path | None,
        typer.Option(help="PEM file of an authority to trust beside the usual ones.", envvar=trust.VARIABLE, exists=True),
    ] = None,
) -> None:
    """Call-center transcription on Apache Kafka."""
    if ca is not None:
        os.environ[trust.VARIABLE] = str(ca)


app.command("up")(up.up)
app.command("submit")(recordings.submit)
app.command("call")(call.call)
app.command("calls")(calls.calls)
app.command("show")(recordings.show)
app.command("ledger")(recordings.ledger)
app.add_typer(keys.app, name="keys")
app.add_typer(topics.app, name="topics")


def main() -> None:
    """Runs the command line."""
    set_on_retry_hooks([])  # a retry that works is nothing to tell the user
    for entry in sorted(entry_points(group="steno.commands"), key=lambda found: found.name):
        app.add_typer(entry.load(), name=entry.name)
    terminal.run(app)


if __name__ == "__main__":
    main()
