"""A file of keys or secrets, read again when it changes: it can be mounted, and rotated under a running service."""

from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

from steno.errors import StenoError

T = TypeVar("T")


class SecretFileUnreadable(StenoError):
    """The file is there, but cannot be read, or has a line that is none; the message names it and says what is wrong."""

    error_class = "secret_file_unreadable"


class SecretFile(Generic[T]):
    """What a file holds now. Without a file, or with one that is not there, it is what an empty one holds."""

    def __init__(self, path: Path | None, parse: Callable[[str], T], *, what: str) -> None:
        """
        Args:
            parse: Makes the value of the file's text; raises `ValueError` that says which line is wrong.
            what: What the file is, for the messages of errors.

        Raises:
            SecretFileUnreadable: so that a service that could let nobody in does not start.
        """
        self._path = path
        self._parse = parse
        self._what = what
        self._value = parse("")
        self._read_at: int | None = None
        self.current()

    def current(self) -> T:
        """The value, read anew where the file has changed. Raises `SecretFileUnreadable`."""
        if self._path is None:
            return self._value
        try:
            changed_at = self._path.stat().st_mtime_ns
            if changed_at != self._read_at:
                self._value = self._parse(self._path.read_text("utf-8"))
                self._read_at = changed_at
        except FileNotFoundError:
            self._value, self._read_at = self._parse(""), None
        except (OSError, ValueError) as error:
            raise SecretFileUnreadable(f"the {self._what} {self._path} cannot be read: {error}") from error
        return self._value
