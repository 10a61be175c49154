"""The command `steno show`, and helpers for the commands about recordings."""

import asyncio
import errno
import json
import os
from collections.abc import Coroutine, Mapping
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from rich.text import Text

from steno.cli import api
from steno.cli.api import ApiAddress, ApiError
from steno.cli.data_folder import DEFAULT_DATA, Data
from steno.cli.options import AsJson, Key, Url
from steno.cli.terminal import line, notes, out, styled

T = TypeVar("T")

_NOT_THERE = (errno.ENOENT, errno.ENAMETOOLONG)

_ROLE_COLOURS = {"agent": "cyan", "customer": "yellow", "ivr": "magenta"}


def show(
    recording_id: Annotated[str, typer.Argument(help="Id of the recording, as printed by `submit`.")],
    data: Data = DEFAULT_DATA,
    as_json: AsJson = False,
    url: Url = None,
    key: Key = None,
) -> None:
    """Show the state of a recording, and its transcript."""
    recording, transcript = run_or_exit(_fetch(find_api_or_exit(data, url, key), recording_id))
    if as_json:
        out.json({"recording": recording, "transcript": transcript})
        return
    reason = f" ({recording['reason']})" if recording.get("reason") else ""
    ids = f"call {recording['call_id']}  recording {recording['recording_id']}  "
    out.print_line(ids, styled("bold", recording["state"]), reason)
    for phrase in (transcript or {}).get("phrases", []):
        out.print_line(phrase_line(phrase))


def phrase_line(phrase: Mapping[str, Any]) -> Text:
    """A phrase as a line for the terminal: time, speaker, text."""
    return spoken_line(phrase, phrase["text"])


def spoken_line(phrase: Mapping[str, Any], *words: object) -> Text:
    """A phrase, or a hypothesis in pieces, as a line for the terminal."""
    minutes, seconds = divmod(phrase["start_ms"] / 1000, 60)
    speaker = phrase["role"] if phrase["role"] != "unknown" else f"channel {phrase['channel']}"
    colour = _ROLE_COLOURS.get(phrase["role"], "white")
    return line(f"  {int(minutes):02}:{seconds:04.1f} ", styled(colour, f"{speaker:>9}"), "  ", *words)


def sidecar(audio: Path) -> dict[str, Any]:
    """Reads the metadata file beside a recording, `NAME.json`; empty where there is none.

    Raises:
        ApiError: the file cannot be read, or is not a JSON object.
    """
    path = audio.with_suffix(".json")
    try:
        metadata = json.loads(path.read_text("utf-8"))
    except OSError as error:
        if error.errno in _NOT_THERE and not os.path.islink(path):  # noqa: PTH114 - which raises nothing
            return {}
        raise ApiError(f"{path} cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise ApiError(f"{path} is not JSON: {error}") from None
    if not isinstance(metadata, dict):
        raise ApiError(f"{path} is not a JSON object")
    return metadata


async def _fetch(address: ApiAddress, recording_id: str) -> tuple[dict[str, Any], dict[str, Any] | None]:
    async with api.connect_api(address) as client:
        recording = await client.recording(recording_id)
        transcript = await client.transcript(recording_id) if recording["state"] in ("completed", "no_speech") else None
        return recording, transcript


def find_api_or_exit(data: Path, url: str | None, key: str | None) -> ApiAddress:
    """Finds the suite that a command is to call; without one, the command ends with status 1."""
    try:
        return api.find_api(data, url=url, key=key)
    except ApiError as error:
        notes.print_error(error)
        raise typer.Exit(1) from None


def run_or_exit(coroutine: Coroutine[Any, Any, T]) -> T:
    """Runs a coroutine; an error that is meant for the user is printed and ends the command with status 1."""
    try:
        return asyncio.run(coroutine)
    except ApiError as error:
        notes.print_error(error)
        raise typer.Exit(1) from None
