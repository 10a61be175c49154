"""A fuzz target: inputs that follow from chance, and the parser that they are put to."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One parser of what comes from outside."""

    name: str
    #: Makes an input. The same chance makes the same input.
    make: Callable[[Random], Any]
    #: Puts an input to the parser, and asserts what must hold of the effects.
    put: Callable[[Any], object]
    #: The parser's own errors, which say that an input is none: no other exception may leave `put`.
    own: tuple[type[Exception], ...] = ()
    #: Inputs that were found to break it once.
    known: Sequence[Any] = ()
    #: How long one input may take, seconds of processor time.
    seconds: float = 1.0
