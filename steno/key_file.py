"""Files of keys: who each lets in, and until when.

Of whatever kind the keys are, a line has its own fields first, then its terms (`steno.key_lines`).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from steno.callers import Caller
from steno.key_lines import Terms, split_terms
from steno.secret_file import Fault, Line, SecretFile


@dataclass(frozen=True, slots=True)
class Key:
    """A line of a key file."""

    caller: Caller
    expires: datetime | None = None
    #: What its bearer signs with, where it does.
    secret: bytes = field(default=b"", repr=False)
    line: int = field(default=0, compare=False)
    #: The tenant as the line says it; None where it says none.
    tenant: str | None = None

    def opens(self, now: datetime) -> bool:
        """Whether it has not expired."""
        return self.expires is None or now < self.expires


ReadKey = Callable[[Sequence[str], Terms], Key]
"""Makes a key of a line's own fields and its terms. Raises `ValueError` that says what is wrong, not what stands there."""


def parse_keys(lines: Sequence[Line], read: ReadKey) -> tuple[dict[str, Key], list[Fault]]:
    """The keys of a file by digest, and what is wrong with its other lines.

    A key that two lines say different things of opens nothing: nobody can say whose it is.
    """
    keys: dict[str, Key] = {}
    faults: list[Fault] = []
    disputed: set[str] = set()
    for line in lines:
        try:
            key = replace(read(*split_terms(line.fields)), line=line.number)
        except ValueError as error:
            faults.append(Fault(line.number, str(error)))
            continue
        before = keys.setdefault(key.caller.key, key)
        if before != key:
            disputed.add(key.caller.key)
            faults.append(Fault(line.number, f"line {before.line} says otherwise of the same key, so it opens nothing"))
    return {digest: key for digest, key in keys.items() if digest not in disputed}, faults


class KeyFile:
    """The keys of a file that open now. Without a file, or with one that is not there, none does."""

    def __init__(
        self, path: Path | None, read: ReadKey, *, what: str, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        """
        Args:
            what: What the file is, for messages.

        Raises:
            steno.secret_file.SecretFileUnreadable: it is there, but cannot be read.
        """
        self._keys = SecretFile(path, lambda lines: parse_keys(lines, read), what=what)
        self._clock = clock

    def of(self, digest: str) -> Key | None:
        """The key of this digest, where it opens."""
        key = self._keys.current().get(digest)
        return key if key is not None and key.opens(self._clock()) else None

    def all(self) -> list[Key]:
        """Every key that opens."""
        now = self._clock()
        return [key for key in self._keys.current().values() if key.opens(now)]

    def holds(self, caller: Caller) -> bool:
        """Whether the key of a caller that was let in still opens, and says the same of it."""
        key = self._keys.lately().get(caller.key)
        return key is not None and key.opens(self._clock()) and key.caller == caller
