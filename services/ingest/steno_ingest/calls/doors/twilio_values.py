"""Reads and validates values in the messages of Twilio-shaped media streams. Pure."""

import json
from collections.abc import Mapping
from typing import Any

from steno.json_bounds import check_json

_MOST = 10**18


class StreamError(Exception):
    """The stream cannot be accepted or continued; the message says why, and what to change."""


class BadMessage(StreamError):
    """A message cannot be used; a started stream continues without it. `reason` is the kind of fault, from a small set."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


def message_of(text: str) -> Mapping[str, Any]:
    """Reads a JSON object from a text frame. Raises `BadMessage`."""
    try:
        check_json(text)
        message = json.loads(text)
    except ValueError:
        raise BadMessage("json", "a text frame is not JSON") from None
    if not isinstance(message, dict):
        raise BadMessage("json", "a message is not a JSON object")
    return message


def part(message: Mapping[str, Any], name: str, *, optional: bool = False) -> Mapping[str, Any]:
    """Returns a JSON object within a message. Raises `BadMessage`."""
    found = message.get(name)
    if found is None and optional:
        return {}
    if not isinstance(found, dict):
        raise BadMessage("json", f"{name} is missing, or not a JSON object")
    return found


def number(message: Mapping[str, Any], name: str) -> float | None:
    """Returns a number within a message, which is a number or its digits as text; None if there is none.

    Raises:
        BadMessage: the value is not a number, or is negative.
    """
    value = message.get(name)
    if value is None or value == "":
        return None
    if isinstance(value, str | int | float) and not isinstance(value, bool):
        try:
            found = float(value)
        except (ValueError, OverflowError):
            found = -1.0
        # NaN fails this comparison, too.
        if 0 <= found < _MOST:
            return found
    raise BadMessage("number", f"{name} is {shown(value)}, but should be a number")


def shown(value: Any) -> str:
    """Returns a shortened value of the peer, for a message."""
    return repr(value)[:60]
