"""The command `steno call`: plays recordings as live calls, and shows their captions."""

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID, uuid4

import typer

from steno.cli import api, recordings
from steno.cli.api import ApiAddress, ApiError
from steno.cli.clients import audiohook, twilio
from steno.cli.clients.audio import CallAudio, open_call_audio, paced
from steno.cli.clients.audiohook import AudioHookPlayer
from steno.cli.clients.audiohook_client import AudioHookClient, Conversation
from steno.cli.clients.captions import Caption, CaptionView, follow_captions
from steno.cli.clients.stream import CallDescription, StreamClient, StreamPlayer
from steno.cli.clients.twilio import TwilioClient
from steno.cli.data_folder import DEFAULT_DATA, Data
from steno.cli.options import AsJson, Key, Url
from steno.cli.recordings import sidecar
from steno.cli.terminal import bad_parameter, clean, notes, out, styled
from steno.events.records import Role

_FRAME_MS = 20
_AFTER_CALL_SECONDS = 60
"""How long the transcript of a call may take after the end of its audio."""

_LAST_CAPTIONS_SECONDS = 5
"""How long captions may come after that."""


class Door(StrEnum):
    """The protocol by which a call is played."""

    STENO = "steno"
    AUDIOHOOK = "audiohook"
    TWILIO = "twilio"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Playing:
    """One recording that is being played as a call."""

    address: ApiAddress
    description: CallDescription
    audio: CallAudio
    speed: float
    on_caption: Callable[[Caption], None]

    def frames(self, milliseconds: int) -> Any:
        """The audio in frames, each at the time at which it would have been spoken."""
        return paced(self.audio.frames(milliseconds), seconds=milliseconds / 1000, speed=self.speed)


def call(
    files: Annotated[list[Path], typer.Argument(help="Recordings; each is played as a call.", exists=True, dir_okay=False)],
    door: Annotated[Door, typer.Option("--as", help="The protocol: Steno's own, or that of Genesys or Twilio.")] = Door.STENO,
    speed: Annotated[float, typer.Option(help="Speed, as a multiple of real time.", min=0.1, max=100)] = 1,
    call_id: Annotated[str | None, typer.Option(help="Id of the call; by default, the file's name and the time.")] = None,
    roles: Annotated[str | None, typer.Option(help="Roles of the channels, separated by commas, e.g. agent,customer.")] = None,
    locale: Annotated[str | None, typer.Option(help="Language of the speech, e.g. en-US.")] = None,
    data: Data = DEFAULT_DATA,
    as_json: AsJson = False,
    url: Url = None,
    key: Key = None,
) -> None:
    """Play recordings as live calls, and show their captions. A file NAME.json beside NAME.wav may have its roles.

    The exit status is 0 if every call was completed.
    """
    if call_id is not None and len(files) > 1:
        raise bad_parameter("--call-id names one call; give one recording")
    told = None if roles is None else [role.strip() for role in roles.split(",")]
    if told is not None and not set(told) <= set(Role):
        raise bad_parameter(f"--roles {roles}: write one of {', '.join(Role)} for each channel, by commas")
    options = {"call_id": call_id, "roles": told, "locale": locale}
    address = recordings.find_api_or_exit(data, url, key)
    results = recordings.run_or_exit(_play_all(files, door, address=address, speed=speed, options=options, as_json=as_json))
    for result in results:
        if as_json:
            out.json({"type": "call", **result}, indent=None)
        elif "error" in result:
            notes.print_error(result["error"], who=result["file"])
        else:
            out.print_line(styled("dim", f"{result['file']}:"), f" call {result['call_id']} ", styled("bold", result["state"]))
    if any("error" in result or result["state"] == "failed" for result in results):
        raise typer.Exit(1)


async def _play_all(
    files: Sequence[Path], door: Door, *, address: ApiAddress, speed: float, options: dict[str, Any], as_json: bool
) -> list[dict[str, Any]]:
    view = CaptionView(out.console, named=len(files) > 1)

    printed = set[str]()

    def show(caption: Caption) -> None:
        if not as_json:
            view.show(caption)
        elif caption["type"] == "phrase" and caption["phrase_id"] not in printed:
            printed.add(caption["phrase_id"])
            out.json(caption, indent=None)

    async def one(file: Path) -> dict[str, Any]:
        result: dict[str, Any] = {"file": str(file)}
        try:
            audio = open_call_audio(file)
            description = _description(file, audio, options, door)
            result["call_id"] = description.call_id
            playing = _Playing(address=address, description=description, audio=audio, speed=speed, on_caption=show)
            return result | {"state": await _play(playing, door)}
        except (ApiError, OSError) as error:
            return result | {"error": str(error)}

    with nullcontext() if as_json else view:
        return list(await asyncio.gather(*map(one, files)))


def _description(file: Path, audio: CallAudio, options: dict[str, Any], door: Door) -> CallDescription:
    """The description of a call: from the command line, else from the metadata file beside the recording."""
    beside = sidecar(file)
    try:
        by_channel = {entry["channel"]: entry["role"] for entry in beside.get("channels", [])}
    except (TypeError, KeyError):
        raise ApiError(f"{file.with_suffix('.json')}: `channels` is no list of channels and their roles") from None
    roles = options["roles"] or (
        [by_channel.get(channel, "unknown") for channel in range(audio.channels)] if by_channel else []
    )
    if roles and len(roles) != audio.channels:
        raise ApiError(f"{file} has {audio.channels} channels, and {len(roles)} roles were given")
    return CallDescription(
        call_id=_call_id(file, options["call_id"], door),
        roles=roles,
        locale=options["locale"] or beside.get("locale", "en-US"),
        properties=beside.get("properties", {}),
    )


def _call_id(file: Path, wanted: str | None, door: Door) -> str:
    """The id of a call; a UUID where it is played as Genesys."""
    if door is not Door.AUDIOHOOK:
        return wanted or f"{clean(file.stem)}-{time.strftime('%H%M%S')}"
    try:
        return str(UUID(wanted) if wanted else uuid4())
    except ValueError:
        raise ApiError(f"--call-id {wanted}: a call from Genesys has a UUID") from None


async def _state_after(address: ApiAddress, call_id: str) -> str:
    async with api.connect_api(address) as client:
        try:
            async with asyncio.timeout(_AFTER_CALL_SECONDS):
                ended = await client.wait_for_call(call_id)
        except TimeoutError:
            raise ApiError(f"the call {call_id} has no transcript {_AFTER_CALL_SECONDS} s after its end") from None
    if not ended["complete"]:
        raise ApiError(f"the call {call_id} is not complete: {ended['end_error'] or ended['end_reason']}")
    return str(ended["state"])


async def _play(playing: _Playing, door: Door) -> str:
    """Plays a call and returns the state in which it ended. Captions that its protocol does not have come from the notifier."""
    following = [asyncio.create_task(_follow(playing))] if door is Door.TWILIO else []
    try:
        told_all = await _PLAYERS[door](playing)
        if not told_all and not following:
            following.append(asyncio.create_task(_follow(playing)))
        state = await _state_after(playing.address, playing.description.call_id)
        if following:
            await asyncio.wait(following, timeout=_LAST_CAPTIONS_SECONDS)
        return state
    finally:
        for task in following:
            task.cancel()
        await asyncio.gather(*following, return_exceptions=True)


async def _follow(playing: _Playing) -> None:
    """Shows the captions of a call from its beginning to its end, where the notifier's address is known."""
    if playing.address.notifier_url:
        await follow_captions(playing.address, playing.description.call_id, playing.on_caption)


async def _play_steno(playing: _Playing) -> bool:
    """Plays by Steno's own protocol; returns whether all captions have arrived."""

    def show(message: Caption) -> None:
        if message["type"] in ("hypothesis", "phrase"):
            playing.on_caption({"call_id": playing.description.call_id, **message})

    client = StreamClient(playing.description, playing.audio)
    url = f"{playing.address.url}/v1/stream"
    await StreamPlayer(client, url=url, key=playing.address.key, on_message=show).play(playing.frames(_FRAME_MS))
    return client.phrase_count is not None


async def _play_audiohook(playing: _Playing) -> bool:
    """Plays as Genesys Cloud; returns False, as AudioHook does not say whether all captions have arrived."""
    description = playing.description
    if not playing.address.audiohook_key:
        raise ApiError("no key of an AudioHook integration is known here; play it where the suite runs, with --data")
    conversation = Conversation(
        conversation_id=description.call_id, language=description.locale, custom_config=dict(description.properties)
    )
    client = AudioHookClient(
        conversation, offers=audiohook.offers_for(description.roles or ["unknown"] * playing.audio.channels)
    )
    url = f"{playing.address.url}/v1/audiohook".replace("http", "ws", 1)
    headers = audiohook.upgrade_headers(
        url, conversation, api_key=playing.address.audiohook_key, secret=playing.address.audiohook_secret, now=time.time()
    )

    def show(caption: Caption) -> None:
        role = audiohook.ROLES[client.channels[caption["channel"]]]
        playing.on_caption({"call_id": description.call_id, "role": role, **caption})

    caller = AudioHookPlayer(client, url=url, headers=headers, on_caption=show, speed=playing.speed)
    await caller.play(playing.frames(audiohook.FRAME_MS))
    return False


async def _play_twilio(playing: _Playing) -> bool:
    """Plays as Twilio, whose protocol has no captions; returns False."""
    address = playing.address
    client = TwilioClient(playing.description, playing.audio)
    url = f"{address.url}/v1/twilio".replace("http", "ws", 1)
    await twilio.play(client, playing.frames(twilio.FRAME_MS), url=url, token=address.twilio_token, key=address.key)
    return False


_PLAYERS = {Door.STENO: _play_steno, Door.AUDIOHOOK: _play_audiohook, Door.TWILIO: _play_twilio}
