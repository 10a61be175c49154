"""Reads values from the messages of Twilio-shaped media streams, and says what is wrong with bad ones. Pure."""

import json
from collections.abc import Mapping
from typing import Any

from steno.json_bounds import check_json

_MOST = 10**18


class StreamError(Exception):
    """The stream cannot be taken, or goes on no more; the message says why, and what should be set."""


class BadMessage(StreamError):
    """A message cannot be used; a stream that has begun goes on without it. `reason` is its kind, one of a few."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


def message_of(text: str) -> Mapping[str, Any]:
    """A text frame as the JSON object it should be. Raises `BadMessage`."""
    try:
        check_json(text)
        message = json.loads(text)
    except ValueError:
        raise BadMessage("json", "a text frame is not JSON") from None
    if not isinstance(message, dict):
        raise BadMessage("json", "a message is not a JSON object")
    return message


def part(message: Mapping[str, Any], name: str, *, optional: bool = False) -> Mapping[str, Any]:
    """A JSON object within a message. Raises `BadMessage`."""
    found = message.get(name)
    if found is None and optional:
        return {}
    if not isinstance(found, dict):
        raise BadMessage("json", f"{name} is missing, or no JSON object")
    return found


def number(message: Mapping[str, Any], name: str) -> float | None:
    """A number within a message, told as a number or as its digits, with a fraction or without; None where there is none.

    Raises:
        BadMessage: there is something else, or it is less than zero.
    """
    value = message.get(name)
    if value is None or value == "":
        return None
    if isinstance(value, str | int | float) and not isinstance(value, bool):
        try:
            found = float(value)
        except (ValueError, OverflowError):
            found = -1.0
        # What is not a number at all (NaN) is not between any two.
        if 0 <= found < _MOST:
            return found
    raise BadMessage("number", f"{name} is {shown(value)}, and should be a number")


def shown(value: Any) -> str:
    """A value of the peer's for a message to a person, never long."""
    return repr(value)[:60]
