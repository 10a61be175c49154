"""Reads a file of keys or secrets, and reads it again when it changes: it can be mounted, and rotated under a running service.

A line is fields with spaces or tabs between; empty lines and those that begin with `#` are comments. A line that cannot be read
is logged with its number and ignored; the other lines count.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

import structlog

from steno.errors import StenoError

T = TypeVar("T")

log = structlog.get_logger("steno.secrets")

_UNSETTLED_NS = 2_000_000_000
"""A file that was changed so shortly before it was read may change again within the same tick of its clock."""

_GRACE_SECONDS = 10.0
_MOST_TOLD = 20

Stamp = tuple[int, ...]


class SecretFileUnreadable(StenoError):
    """The file is there, but cannot be read, or is no text in UTF-8; the message names it and says what is wrong."""

    error_class = "secret_file_unreadable"


@dataclass(frozen=True, slots=True)
class Line:
    """A line that is no comment."""

    #: From 1.
    number: int
    #: What stands between its spaces, at least one.
    fields: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with a line; without what it holds."""

    line: int
    reason: str


Parse = Callable[[Sequence[Line]], tuple[T, Sequence[Fault]]]


def lines_of(text: str) -> list[Line]:
    """The lines of a file that are no comments; they end with a line feed, or with carriage return and line feed."""
    split = (
        Line(number, tuple(line.removesuffix("\r").replace("\t", " ").split(" ")))
        for number, line in enumerate(text.removeprefix("\ufeff").split("\n"), 1)
    )
    full = (Line(line.number, tuple(field for field in line.fields if field)) for line in split)
    return [line for line in full if line.fields and not line.fields[0].startswith("#")]


class SecretFile(Generic[T]):
    """The value of a file as it is now; that of an empty file where there is none."""

    def __init__(
        self,
        path: Path | None,
        parse: Parse[T],
        *,
        what: str,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """
        Args:
            parse: Makes the value of the file's lines, and says which are wrong; it raises nothing.
            what: What the file is, for messages.
            monotonic: Seconds of a clock that only goes forward.

        Raises:
            SecretFileUnreadable: so that a service that could let nobody in does not start.
        """
        self._path = path
        self._parse = parse
        self._what = what
        self._monotonic = monotonic
        self._empty = parse(())[0]
        self._value = self._empty
        self._stamp: Stamp | None = None
        self._text: str | None = None
        #: Since when there is no file that can be read; None while there is one.
        self._away_since: float | None = None
        try:
            self._look()
        except FileNotFoundError:
            self._gone("it is not there")
        except (OSError, UnicodeDecodeError) as error:
            raise SecretFileUnreadable(f"the {what} {path} cannot be read: {error}") from error

    def current(self) -> T:
        """The value, read anew where the file has changed; while it is away or cannot be read, what an empty one holds."""
        try:
            self._look()
        except FileNotFoundError:
            self._gone("it is not there")
        except (OSError, UnicodeDecodeError) as error:
            self._gone(str(error))
        return self._value if self._away_since is None else self._empty

    def current_or_recent(self) -> T:
        """The value; of a file that has been away for some seconds only, what it held before.

        For what was let in already: while a file is being replaced, nobody is to be thrown out.
        """
        current = self.current()
        if self._away_since is not None and self._monotonic() - self._away_since < _GRACE_SECONDS:
            return self._value
        return current

    def _look(self) -> None:
        if self._path is None:
            return
        # What a link leads to: Kubernetes replaces a mounted secret by its link.
        status = self._path.stat()
        stamp = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
        if stamp != self._stamp or self._away_since is not None:
            self._read()
            settled = abs(time.time_ns() - status.st_ctime_ns) > _UNSETTLED_NS
            self._stamp = stamp if settled else None
            self._away_since = None

    def _read(self) -> None:
        assert self._path is not None
        text = self._path.read_bytes().decode("utf-8")
        if text == self._text:
            return
        value, faults = self._parse(lines_of(text))
        # Told once for each change, however often it is read.
        for fault in faults[:_MOST_TOLD]:
            log.warning("secret_file.line_ignored", file=self._what, path=str(self._path), line=fault.line, reason=fault.reason)
        if len(faults) > _MOST_TOLD:
            log.warning("secret_file.lines_ignored", file=self._what, path=str(self._path), lines=len(faults))
        self._value, self._text = value, text

    def _gone(self, reason: str) -> None:
        if self._away_since is None:
            self._away_since = self._monotonic()
            log.error("secret_file.away", file=self._what, path=str(self._path), reason=reason)
