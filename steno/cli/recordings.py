"""`steno submit`, `steno show` and `steno ledger`: recordings from a terminal."""

import asyncio
import json
from collections.abc import Coroutine, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.text import Text

from steno.cli import api
from steno.cli.api import Api, ApiError
from steno.cli.data_folder import DEFAULT_DATA, Data
from steno.cli.terminal import line, notes, out, refused, styled

T = TypeVar("T")

_SUFFIXES = frozenset(
    f".{name}" for name in (
        "wav", "mp3", "ogg", "oga", "opus", "flac", "m4a", "mp4", "aac", "wma", "webm", "mka", "mkv",
        "amr", "au", "spx", "gsm", "g722", "ulaw", "raw",
    )
)  # fmt: skip
_UPLOADS_AT_ONCE = 4
_ROLE_COLOURS = {"agent": "cyan", "customer": "yellow", "ivr": "magenta"}

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]


def submit(
    paths: Annotated[list[Path], typer.Argument(help="Recordings, or folders of them.", exists=True)],
    data: Data = DEFAULT_DATA,
    wait: Annotated[bool, typer.Option(help="Wait until every recording has its transcript.")] = False,
    as_json: AsJson = False,
    locale: Annotated[str | None, typer.Option(help="Language of the speech, e.g. en-US.")] = None,
    role: Annotated[list[str] | None, typer.Option(help="Role of a channel, CHANNEL=ROLE, e.g. 0=agent.")] = None,
) -> None:
    """Submit recordings. A file NAME.json beside NAME.wav is sent along as its metadata.

    Exit status 1 where a recording was refused, or (with --wait) failed.
    """
    files = _audio_files(paths)
    if not files:
        raise refused("no recordings there: " + ", ".join(map(str, paths)))
    options: dict[str, Any] = {"locale": locale} if locale else {}
    if role:
        options["channels"] = [_channel_role(entry) for entry in role]
    results = run(_submit_all(data, files, options, wait=wait))
    if as_json:
        out.json(results)
    else:
        out.table(("file", "recording", "state"), map(_result_row, results))
    if any("error" in result or result["state"] == "failed" for result in results):
        raise typer.Exit(1)


def show(
    recording_id: Annotated[str, typer.Argument(help="The recording, as `submit` printed it.")],
    data: Data = DEFAULT_DATA,
    as_json: AsJson = False,
) -> None:
    """Show what became of a recording, with its transcript."""
    recording, transcript = run(_fetch(data, recording_id))
    if as_json:
        out.json({"recording": recording, "transcript": transcript})
        return
    reason = f" ({recording['reason']})" if recording.get("reason") else ""
    ids = f"call {recording['call_id']}  recording {recording['recording_id']}  "
    out.say(ids, styled("bold", recording["state"]), reason)
    for phrase in (transcript or {}).get("phrases", []):
        out.say(phrase_line(phrase))


def ledger(data: Data = DEFAULT_DATA, as_json: AsJson = False) -> None:
    """Show that every accepted recording and call is accounted for. Exit status 1 where the ledger does not balance."""
    balance = run(_with_api(data, Api.ledger))
    if as_json:
        out.json(balance)
    else:
        live = balance["calls"]
        names = [name for name in dict.fromkeys([*balance, *live]) if name not in ("calls", "balanced")]
        out.table(("state", "recordings", "calls"), [(name, balance.get(name, ""), live.get(name, "")) for name in names])
        out.say("balanced" if balance["balanced"] else styled("red", "not balanced"))
    if not balance["balanced"]:
        raise typer.Exit(1)


def phrase_line(phrase: Mapping[str, Any]) -> Text:
    """A phrase as a line for the terminal: time, speaker, words."""
    return spoken_line(phrase, phrase["text"])


def spoken_line(phrase: Mapping[str, Any], *words: object) -> Text:
    """A phrase, or what is one so far, as a line for the terminal, its words in pieces."""
    minutes, seconds = divmod(phrase["start_ms"] / 1000, 60)
    speaker = phrase["role"] if phrase["role"] != "unknown" else f"channel {phrase['channel']}"
    colour = _ROLE_COLOURS.get(phrase["role"], "white")
    return line(f"  {int(minutes):02}:{seconds:04.1f} ", styled(colour, f"{speaker:>9}"), "  ", *words)


def sidecar(audio: Path) -> dict[str, Any]:
    """The metadata beside a recording, `NAME.json`; empty where there is none.

    Raises:
        ApiError: the file is not a JSON object.
    """
    path = audio.with_suffix(".json")
    if not path.exists():
        return {}
    try:
        metadata = json.loads(path.read_text("utf-8"))
    except ValueError as error:
        raise ApiError(f"{path} is not JSON: {error}") from None
    if not isinstance(metadata, dict):
        raise ApiError(f"{path} is not a JSON object")
    return metadata


def _audio_files(paths: Sequence[Path]) -> list[Path]:
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            found += sorted(file for file in path.rglob("*") if file.suffix.lower() in _SUFFIXES)
        else:
            found.append(path)
    return found


def _channel_role(entry: str) -> dict[str, Any]:
    channel, separator, role = entry.partition("=")
    if not separator or not channel.isdigit():
        raise refused(f"--role {entry}: write CHANNEL=ROLE, e.g. --role 0=agent")
    return {"channel": int(channel), "role": role}


async def _submit_all(data: Path, files: list[Path], options: dict[str, Any], *, wait: bool) -> list[dict[str, Any]]:
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    slots = asyncio.Semaphore(_UPLOADS_AT_ONCE)
    async with api.connected(api.find(data)) as client:
        with notes.progress(*columns, transient=True) as progress:
            uploaded = progress.add_task("uploading", total=len(files))
            finished = progress.add_task("transcribing", total=len(files), visible=wait)

            async def one(file: Path) -> dict[str, Any]:
                result: dict[str, Any] = {"file": str(file)}
                try:
                    async with slots:
                        result |= await client.submit(file, sidecar(file) | options)
                    progress.advance(uploaded)
                    if wait:
                        result |= await client.wait(result["recording_id"])
                        progress.advance(finished)
                except ApiError as error:
                    result["error"] = str(error)
                return result

            return list(await asyncio.gather(*(one(file) for file in files)))


async def _fetch(data: Path, recording_id: str) -> tuple[dict[str, Any], dict[str, Any] | None]:
    async with api.connected(api.find(data)) as client:
        recording = await client.recording(recording_id)
        transcript = await client.transcript(recording_id) if recording["state"] in ("completed", "no_speech") else None
        return recording, transcript


async def _with_api(data: Path, call: Any) -> dict[str, Any]:
    async with api.connected(api.find(data)) as client:
        result: dict[str, Any] = await call(client)
        return result


def _result_row(result: dict[str, Any]) -> tuple[str, str, str]:
    return Path(result["file"]).name, result.get("recording_id", ""), result.get("error") or result["state"]


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """Runs a command's work; what a person should know of ends it with status 1."""
    try:
        return asyncio.run(coroutine)
    except ApiError as error:
        notes.fail(error)
        raise typer.Exit(1) from None
