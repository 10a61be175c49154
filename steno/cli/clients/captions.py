"""Receives captions from the notifier, and shows them: hypotheses in place, phrases as lines."""

import asyncio
import json
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import aiohttp
from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from steno.cli import trust
from steno.cli.api import ApiAddress
from steno.cli.recordings import phrase_line, spoken_line
from steno.cli.terminal import line, styled

Caption = Mapping[str, Any]
"""A hypothesis or a phrase as it stands on its topic, with its kind as `type`."""

_RETRY_SECONDS = 0.5


class CaptionView:
    """Shows captions while it is entered: hypotheses at the bottom, replaced as they change, phrases above."""

    def __init__(self, console: Console, *, named: bool = False) -> None:
        """`named` puts the call's id before each line."""
        self._console = console
        self._named = named
        self._spoken: dict[str, Caption] = {}
        self._said: set[str] = set()
        self._live = Live(console=console, transient=True, auto_refresh=False) if console.is_terminal else None

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        if self._live is not None:
            self._live.update(line(), refresh=True)
            self._live.stop()

    def show(self, caption: Caption) -> None:
        """Shows the next caption, of any call."""
        phrase_id = caption["phrase_id"]
        if caption["type"] == "phrase":
            self._spoken.pop(phrase_id, None)
            if phrase_id not in self._said:
                self._said.add(phrase_id)
                self._console.print(line(self._name(caption), phrase_line(caption)))
        elif phrase_id not in self._said:
            self._spoken[phrase_id] = caption
        if self._live is not None:
            self._live.update(Group(*map(self._hypothesis_line, self._spoken.values())), refresh=True)

    def _hypothesis_line(self, caption: Caption) -> Text:
        stable = caption.get("stable_text", "")
        rest = caption["text"].removeprefix(stable)
        return line(self._name(caption), spoken_line(caption, stable, styled("dim", rest)))

    def _name(self, caption: Caption) -> Text:
        return styled("dim", caption["call_id"] if self._named else "")


async def follow_captions(address: ApiAddress, call_id: str, on_caption: Callable[[Caption], None]) -> None:
    """Receives a call's captions from the notifier (server-sent events), from the call's beginning to its end.

    The call need not exist yet. After a lost connection it continues after the last caption.
    """
    url = f"{address.notifier_url}/v1/calls/{quote(call_id, safe='')}/captions"
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=60)
    headers = {"Authorization": f"Bearer {address.key}", "Accept": "text/event-stream"}
    cursor = ""
    async with aiohttp.ClientSession(connector=trust.connector(), timeout=timeout, headers=headers) as session:
        while True:
            try:
                async with session.get(url, headers={"Last-Event-ID": cursor} if cursor else {}) as response:
                    response.raise_for_status()
                    events = ServerSentEvents()
                    async for line in response.content:
                        for event, data, event_id in events.add_line(line.decode("utf-8")):
                            cursor = event_id
                            if event == "end":
                                return
                            if event in ("hypothesis", "phrase"):
                                on_caption({"type": event, **json.loads(data)})
            except (aiohttp.ClientError, TimeoutError):
                pass  # not there yet, or not any more: both pass
            await asyncio.sleep(_RETRY_SECONDS)


class ServerSentEvents:
    """A parser of server-sent events, line by line (HTML Living Standard §9.2.6)."""

    def __init__(self) -> None:
        self._event, self._data, self._id = "", list[str](), ""

    def add_line(self, line: str) -> list[tuple[str, str, str]]:
        """Returns the event that a line completes (name, data, last id), or an empty list."""
        line = line.rstrip("\r\n")
        if line:
            name, _, value = line.partition(":")
            value = value.removeprefix(" ")
            match name:
                case "event":
                    self._event = value
                case "data":
                    self._data.append(value)
                case "id":
                    self._id = value
            return []
        event, data, self._event, self._data = self._event or "message", self._data, "", []
        return [(event, "\n".join(data), self._id)] if data else []
