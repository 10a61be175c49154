"""The command `steno submit`: submits recordings from files and folders; an error with one does not stop the others."""

import asyncio
import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn

from steno.audio_files import is_audio_name, is_partial_name
from steno.cli import api
from steno.cli.api import ApiAddress, ApiError
from steno.cli.data_folder import DEFAULT_DATA, Data
from steno.cli.options import AsJson, Key, Url
from steno.cli.recordings import find_api_or_exit, run_or_exit, sidecar
from steno.cli.terminal import bad_parameter, notes, out

_UPLOADS_AT_ONCE = 4
_NAMED = 10


@dataclass(kw_only=True, slots=True)
class FoundFiles:
    """The recordings that were found, and the files and folders that cannot be submitted, with reasons."""

    recordings: list[Path] = field(default_factory=list)
    #: Files in folders whose names are not those of recordings.
    left: list[Path] = field(default_factory=list)
    #: Paths that cannot be read, with reasons.
    refused: dict[str, str] = field(default_factory=dict)


def submit(
    paths: Annotated[list[Path], typer.Argument(help="Recordings, or folders of them.")],
    data: Data = DEFAULT_DATA,
    wait: Annotated[bool, typer.Option(help="Wait until every recording has its transcript.")] = False,
    as_json: AsJson = False,
    locale: Annotated[str | None, typer.Option(help="Language of the speech, e.g. en-US.")] = None,
    role: Annotated[list[str] | None, typer.Option(help="Role of a channel, CHANNEL=ROLE, e.g. 0=agent.")] = None,
    url: Url = None,
    key: Key = None,
) -> None:
    """Submit recordings. A file NAME.json beside NAME.wav is sent as its metadata.

    In folders, files with names of recordings are submitted, and the others are listed. The exit status is 1 if a recording
    was refused, or (with --wait) failed.
    """
    options: dict[str, Any] = {"locale": locale} if locale else {}
    if role:
        options["channels"] = [_channel_role(entry) for entry in role]
    found = find_files(paths)
    if found.left:
        named = ", ".join(str(path) for path in found.left[:_NAMED])
        more = f" and {len(found.left) - _NAMED} more" if len(found.left) > _NAMED else ""
        notes.print_line(f"skipped, because the names are not those of recordings: {named}{more}")
    results = [{"file": name, "error": reason} for name, reason in found.refused.items()]
    if not found.recordings and not results:
        raise bad_parameter("no recordings found: " + ", ".join(map(str, paths)))
    address = find_api_or_exit(data, url, key)
    begun: list[dict[str, Any]] = [{"file": str(path)} for path in found.recordings]
    try:
        run_or_exit(_submit_all(address, found.recordings, begun, options, wait=wait))
    finally:  # whatever ended it
        for result in begun:
            if "recording_id" not in result:
                result.setdefault("error", "not submitted")
        results += begun
        if as_json:
            out.json(results)
        else:
            out.table(("file", "recording", "state"), map(_result_row, results))
    if any(result.get("error") or result["state"] == "failed" for result in results):
        raise typer.Exit(1)


def find_files(paths: Sequence[Path]) -> FoundFiles:
    """Finds the recordings to submit: given files as they are, and the files in folders that are named like recordings."""
    found = FoundFiles()
    for path in paths:
        if os.path.isdir(path):  # noqa: PTH112 - which raises nothing, whatever the path
            _search_folder(path, found)
        else:
            found.recordings.append(path)
    return found


def _search_folder(folder: Path, found: FoundFiles) -> None:
    def unreadable(error: OSError) -> None:
        found.refused[os.fsdecode(error.filename)] = f"the folder cannot be read: {error.strerror}"

    for inside, folders, names in os.walk(folder, onerror=unreadable):
        folders.sort()
        recordings = {name for name in names if is_audio_name(name) and not is_partial_name(name)}
        sidecars = {Path(name).stem + ".json" for name in recordings}
        found.recordings += [Path(inside, name) for name in sorted(recordings)]
        found.left += [Path(inside, name) for name in sorted(set(names) - recordings - sidecars)]


def _channel_role(entry: str) -> dict[str, Any]:
    channel, separator, role = entry.partition("=")
    if not separator or not channel.isdecimal():
        raise bad_parameter(f"--role {entry}: write CHANNEL=ROLE, e.g. --role 0=agent")
    return {"channel": int(channel), "role": role}


async def _submit_all(
    address: ApiAddress, files: Sequence[Path], results: Sequence[dict[str, Any]], options: dict[str, Any], *, wait: bool
) -> None:
    """Submits files concurrently, and writes the outcome of each into its result."""
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    slots = asyncio.Semaphore(_UPLOADS_AT_ONCE)
    async with api.connect_api(address) as client:
        with notes.progress(*columns, transient=True) as progress:
            uploaded = progress.add_task("uploading", total=len(files))
            finished = progress.add_task("transcribing", total=len(files), visible=wait)

            async def one(file: Path, result: dict[str, Any]) -> None:
                try:
                    async with slots:
                        _check(file)
                        result |= await client.submit(file, sidecar(file) | options)
                    progress.advance(uploaded)
                    if wait:
                        result |= await client.wait_for_recording(result["recording_id"])
                        progress.advance(finished)
                except ApiError as error:
                    result["error"] = str(error)
                except OSError as error:
                    result["error"] = error.strerror or str(error)
                except Exception as error:  # noqa: BLE001 - an error with one file must not stop the others
                    result["error"] = f"a fault of Steno: {api.short_reason(error)}"

            await asyncio.gather(*map(one, files, results))


def _check(file: Path) -> None:
    """Checks that a path is a regular file: reading a pipe would block. Raises `ApiError` and `OSError`."""
    try:
        status = file.stat()
    except FileNotFoundError:
        raise ApiError("it is a link that leads nowhere" if file.is_symlink() else "there is no such file") from None
    if not stat.S_ISREG(status.st_mode):
        raise ApiError("it is no file that audio could be in")


def _result_row(result: dict[str, Any]) -> tuple[str, str, str]:
    return Path(result["file"]).name, result.get("recording_id", ""), result.get("error") or result["state"]
