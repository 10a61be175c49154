"""Inputs for parsers: what is nearly right, and what nobody would send who means well. All of it follows from chance alone."""

import json
import string
from collections.abc import Callable, Sequence
from random import Random
from typing import Any, TypeVar

T = TypeVar("T")

MOMENTS = (
    "9999-12-31T23:59:59-23:59",
    "0001-01-01T00:00:00+23:59",
    "2026-02-30T00:00:00Z",
    "1970-01-01T00:00:00Z",
    "2026-03-01T09:00:00",
    "+262143-12-31T23:59:59Z",
    "2026-03-01T09:00:00.999999999999Z",
)
"""Dates at the ends of what calendars, clocks and time zones hold."""

TEXTS = (
    "",
    " ",
    "\0",
    "a\0b",
    "\ud800",
    "\udfff",
    "\u202egnp.exe",
    "\x1b]0;title\x07\x1b[2J",
    "[/x]",
    "[bold red]",
    "%00",
    "%2e%2e%2f",
    "../../../etc/passwd",
    "file:///etc/passwd",
    "http://169.254.169.254/",
    "http://[::ffff:0:0:0]/",
    "'; DROP TABLE calls; --",
    "-1",
    "1e309",
    "NaN",
    "Infinity",
    "٣",
    "PT1S",
    "PT-1S",
    "PT999999999.999999999999S",
    "en-US",
    "e" * 257,
    "x" * 5_000,
    "😀" * 70,
    "x" * 60_000,
    *MOMENTS,
)
"""Texts that have meant something to some parser."""

INTEGERS = (
    0,
    1,
    -1,
    2,
    7,
    8,
    9,
    63,
    64,
    255,
    256,
    65_535,
    65_536,
    2**31 - 1,
    2**31,
    -(2**31),
    2**32,
    2**53,
    2**63 - 1,
    2**63,
    -(2**63),
)
"""Whole numbers at the ends of what types and bounds hold."""

FLOATS = (0.0, -0.0, 0.5, 1.0, 1.000001, -1.0, 1e-300, 1e300, 1.7e308, float("inf"), float("-inf"), float("nan"))

_DEEP = 100_000


def text(chance: Random) -> str:
    """A text, seldom a decent one."""
    match chance.randrange(4):
        case 0:
            return "".join(chance.choices(string.printable, k=chance.randrange(24)))
        case 1:
            return "".join(
                chr(chance.choice((chance.randrange(0x80), chance.randrange(0x11_0000)))) for _ in range(chance.randrange(8))
            )
        case _:
            return chance.choice(TEXTS)


def integer(chance: Random) -> int:
    """A whole number, seldom a decent one."""
    near = chance.choice(INTEGERS) + chance.choice((-1, 0, 0, 0, 1))
    return chance.choice((near, near, chance.randrange(1000), chance.getrandbits(63)))


def anything(chance: Random) -> Any:
    """A value of JSON."""
    makers: Sequence[Callable[[Random], Any]] = (
        text,
        text,
        integer,
        integer,
        lambda chance: chance.choice(FLOATS),
        lambda chance: chance.choice((None, True, False)),
        lambda chance: [anything(chance) for _ in range(chance.randrange(3))],
        lambda chance: {text(chance): anything(chance) for _ in range(chance.randrange(3))},
        lambda chance: {f"p{number}": "x" * 100 for number in range(chance.choice((3, 100, 600)))},
    )
    return chance.choice(makers)(chance)


def changed(chance: Random, value: Any) -> Any:
    """A value of JSON with one thing in it that is not as it was."""
    if isinstance(value, dict) and value and chance.random() < 0.85:
        name = chance.choice(list(value))
        match chance.randrange(10):
            case 0:
                return {key: item for key, item in value.items() if key != name}
            case 1:
                return value | {text(chance): anything(chance)}
            case _:
                return value | {name: changed(chance, value[name])}
    if isinstance(value, list) and value and chance.random() < 0.85:
        place = chance.randrange(len(value))
        match chance.randrange(5):
            case 0:
                return [*value, *value]
            case 1:
                return value[:place] + value[place + 1 :]
            case _:
                return [*value[:place], changed(chance, value[place]), *value[place + 1 :]]
    if isinstance(value, int) and not isinstance(value, bool) and chance.random() < 0.7:
        return chance.choice((integer(chance), value + 1, value - 1, -value, str(value)))
    if isinstance(value, str) and chance.random() < 0.7:
        return chance.choice((text(chance), value + text(chance), value.upper(), value[:-1], value * 2))
    return anything(chance)


def json_text(chance: Random, value: Any) -> str:
    """A document as JSON text, now and then no JSON at all, or as no library writes it."""
    written = json.dumps(value, ensure_ascii=chance.random() < 0.5, separators=chance.choice(((",", ":"), (", ", ": "))))
    match chance.randrange(24):
        case 0:
            return written[: chance.randrange(len(written) + 1)]
        case 1:
            opening, closing = chance.choice((("[", "]"), ('{"a":', "}")))
            return opening * _DEEP + "1" + closing * _DEEP
        case 2:
            return written.replace("1", "1" * chance.choice((20, 400, 5000)), 1)
        case 3:
            return mutated(chance, written.encode("utf-8", "replace")).decode("utf-8", "replace")
        case 4:
            return written[:1] + '"type":"x","call_id":"y",' + written[1:]
        case _:
            return written


def json_bytes(chance: Random, value: Any) -> bytes:
    """The same as bytes, which need not be UTF-8."""
    written = json_text(chance, value).encode("utf-8", "surrogatepass")
    match chance.randrange(12):
        case 0:
            return mutated(chance, written)
        case 1:
            return chance.choice((b"\xef\xbb\xbf", b"\xff\xfe", b"\0")) + written
        case _:
            return written


def mutated(chance: Random, data: bytes, *, most: int = 8) -> bytes:
    """Bytes of which some are not as they were."""
    found = bytearray(data)
    for _ in range(chance.randint(1, most)):
        place = chance.randrange(len(found) + 1)
        match chance.randrange(8):
            case 0:
                del found[place : place + chance.randint(1, 16)]
            case 1:
                found[place:place] = chance.randbytes(chance.randint(1, 16))
            case 2:
                found[place:place] = found[place : place + chance.randint(1, 64)]
            case 3:
                del found[place:]
            case 4:
                width = chance.choice((1, 2, 4, 8))
                number = chance.choice(INTEGERS) % 2 ** (8 * width)
                found[place : place + width] = number.to_bytes(width, chance.choice(("little", "big")))
            case _ if found:
                found[place % len(found)] = chance.choice((0, 0x7F, 0x80, 0xFF, chance.randrange(256)))
    return bytes(found)


def sometimes(chance: Random, share: float, change: Callable[[Random, T], T], value: T) -> T:
    """The value, or that share of the time what becomes of it."""
    return change(chance, value) if chance.random() < share else value
