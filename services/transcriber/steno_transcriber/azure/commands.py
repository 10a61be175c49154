"""`steno azure`: checks what is set up for the engine azure."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from steno.cli.options import examples
from steno.cli.terminal import notes, out
from steno.errors import StenoError
from steno.settings import SettingsError, read

app = typer.Typer(help="Check what is set up for the engine azure.", no_args_is_help=True)

Recording = Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="A short recording of speech.")]
Url = Annotated[
    str | None,
    typer.Option(help="Where Azure can read a recording, for the batch API; by default RECORDING goes into the object store."),
]
Locale = Annotated[str, typer.Option(help="The language that is spoken.")]
Seconds = Annotated[float, typer.Option(help="How long each way may take. A job may wait for half an hour at Azure.")]


@app.callback()
def azure() -> None:
    """Check what is set up for the engine azure."""


@app.command(epilog=examples("steno azure check samples/lost-card.wav --locale en-US"))
def check(recording: Recording, url: Url = None, locale: Locale = "en-US", seconds: Seconds = 1800) -> None:
    """Recognise RECORDING once by each way (batch, fast, live) at each endpoint, with the transcriber's own settings.

    It costs what the recognition of RECORDING costs, for each way.
    """
    # Imported here: it takes a while, and all other commands do without.
    from steno_transcriber.azure.check import Check
    from steno_transcriber.settings import TranscriberSettings

    try:
        settings = read(TranscriberSettings)
        if not settings.azure.endpoints:
            raise SettingsError("set STENO_TRANSCRIBER_AZURE_ENDPOINTS, and the credentials")
        tried = asyncio.run(Check(settings, recording, url=url, locale=locale, most_seconds=seconds).run())
    except (SettingsError, StenoError, ValueError) as error:
        notes.print_error(str(error), who="steno azure")
        raise typer.Exit(1) from None
    rows = [(each.way, each.endpoint, "yes" if each.works else "no", f"{each.seconds:.1f}", each.text) for each in tried]
    out.table(("Way", "Endpoint", "Works", "Seconds", "What was heard, or why not"), rows)
    if not all(each.works for each in tried):
        raise typer.Exit(1)
