"""Refuses JSON from outside that is too large or too deep, by its bytes and before it is parsed. Pure.

A body of a megabyte holds half a million numbers, or half a million brackets one in the other: parsed, validated and reported
fault by fault, either holds an event loop for seconds. What Steno is sent has a few hundred values, three levels deep.
"""

import re

MAX_DEPTH = 32
"""Arrays and objects one in the other."""

MAX_VALUES = 2_000
"""Values in all, counted by their commas and brackets."""

MAX_DIGITS = 64
"""Digits in a row, of a number: what makes a number of them takes time by their square."""

_SMALL = 4096
"""Of fewer characters nothing but depth takes time. Most messages of live calls are no longer."""

# An unclosed string goes on to the end, or each of its quotes would be looked at as the beginning of another.
_STRING = re.compile(rb'"(?:[^"\\]|\\.)*+"?', re.DOTALL)
_LONG_NUMBER = re.compile(rb"[0-9]{%d}" % (MAX_DIGITS + 1))
_ALL_BUT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_OPENING = b"[{"


class JsonTooLarge(ValueError):
    """The JSON is deeper, longer or has larger numbers than any request needs; the message says which."""


def check_json(text: bytes | str) -> None:
    """Checks the size of a text in one pass; whether it is JSON at all is for its parser to say.

    Raises:
        JsonTooLarge: it must not be parsed.
    """
    if len(text) <= _SMALL:
        openings = text.count("[") + text.count("{") if isinstance(text, str) else text.count(b"[") + text.count(b"{")
        if openings <= MAX_DEPTH:
            return
    data = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    if b"\0" in data:
        # Parsers take UTF-16 and UTF-32 too, whose strings are not found below; JSON in UTF-8 has no NUL (RFC 8259 §7, §8.1).
        raise JsonTooLarge("the JSON has NUL bytes in it; send it in UTF-8")
    _check_structure(_without_strings(data))


def _without_strings(data: bytes) -> bytes:
    """JSON between its strings: commas, brackets and digits in them count for nothing."""
    between, end = [], 0
    for count, match in enumerate(_STRING.finditer(data)):
        # Each value that is an object's has its name.
        if count >= 2 * MAX_VALUES:
            raise _too_many_values()
        between.append(data[end : match.start()])
        end = match.end()
    return b'"'.join([*between, data[end:]])


def _check_structure(bare: bytes) -> None:
    if _LONG_NUMBER.search(bare) is not None:
        raise JsonTooLarge(f"the JSON has a number of more than {MAX_DIGITS} digits")
    if bare.count(b",") + bare.count(b"[") + bare.count(b"{") >= MAX_VALUES:
        raise _too_many_values()
    depth = 0
    for bracket in bare.translate(None, _ALL_BUT_BRACKETS):
        depth += 1 if bracket in _OPENING else -1
        if depth > MAX_DEPTH:
            raise JsonTooLarge(f"the JSON has more than {MAX_DEPTH} arrays and objects one in the other")
        if depth < 0:
            # No JSON: the parser gets no further than here.
            return


def _too_many_values() -> JsonTooLarge:
    return JsonTooLarge(f"the JSON has more than {MAX_VALUES} values")
