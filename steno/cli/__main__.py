"""The command `steno` and its subcommands. Other packages add some by the entry point group `steno.commands`.

In an image of a service, only commands whose dependencies are installed there work. The others need `steno[suite]` or
`steno[cli]`; where that is not installed, they say so.
"""

import os
from collections.abc import Callable
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from typing import Annotated, Any

import typer

from steno.cli import dead_letters, doctor, keys, terminal, topics, trust, watch, why
from steno.cli.options import examples

app = typer.Typer(
    name="steno",
    help="Call-center transcription on Apache Kafka.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,  # they would show what is in variables, keys too
)


@app.callback()
def options(
    ca: Annotated[
        Path | None,
        typer.Option(
            help="PEM file of a certificate authority to trust in addition to the system's.", envvar=trust.VARIABLE, exists=True
        ),
    ] = None,
) -> None:
    """Call-center transcription on Apache Kafka."""
    if ca is not None:
        os.environ[trust.VARIABLE] = str(ca)


def _add(name: str, module: str) -> None:
    """Adds a subcommand, or one that names the missing extra where its module cannot be imported."""
    try:
        command: Callable[..., Any] = getattr(import_module(f"steno.cli.{module}"), name)
        settings: dict[str, Any] = {}
    except ModuleNotFoundError as error:
        missing = str(error.name)
        if missing.partition(".")[0] == "steno":
            raise
        command = _not_here(name, missing)
        settings = {"allow_extra_args": True, "ignore_unknown_options": True}
    app.command(name, context_settings=settings, epilog=examples(*_EXAMPLES[name]))(command)


def _not_here(name: str, missing: str) -> Callable[[], None]:
    def command() -> None:
        """Not installed here."""
        terminal.notes.print_error(f'`steno {name}` needs {missing}, which is not installed here: pip install "steno[suite]"')
        raise typer.Exit(1)

    return command


_EXAMPLES = {
    "up": ("steno up", "steno up --demo --once", "KAFKA_BOOTSTRAP_SERVERS=kafka-1:9092 steno up --data /srv/steno"),
    "submit": (
        "steno submit call.wav --role 0=agent --role 1=customer --wait",
        "steno submit recordings/ --json",
    ),
    "call": ("steno call samples/lost-card.wav", "steno call samples/lost-card.wav --as twilio --speed 2"),
    "calls": ("steno calls --state active", "steno calls --limit 500 --json"),
    "show": ("steno show RECORDING_ID", "steno show RECORDING_ID --json"),
    "bench": ("steno bench --calls 200 --hours 500", "STENO_TRANSCRIBER_MODEL=/models/large steno bench calls/*.wav --json"),
    "ledger": ("steno ledger", "steno ledger --against calls-of-the-pbx.csv --tolerance 10"),
}

for _name, _module in (
    *(("up", "up"), ("submit", "submit"), ("call", "call"), ("calls", "calls")),
    *(("show", "recordings"), ("ledger", "ledger"), ("bench", "bench.command")),
):
    _add(_name, _module)
app.add_typer(keys.app, name="keys")
app.add_typer(topics.app, name="topics")
app.add_typer(dead_letters.app, name="dead-letters")
app.command("doctor", epilog=doctor.EPILOG)(doctor.doctor)
app.command("why", epilog=why.EPILOG)(why.why)
app.command("watch", epilog=watch.EPILOG)(watch.watch)


@cache
def whole_app() -> typer.Typer:
    """The command line with the commands that other packages add."""
    for entry in sorted(entry_points(group="steno.commands"), key=lambda found: found.name):
        app.add_typer(entry.load(), name=entry.name)
    return app


def main() -> None:
    """Runs the command line."""
    terminal.run(whole_app())


if __name__ == "__main__":
    main()
