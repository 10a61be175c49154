"""Reads files of keys: whom each key lets in, and until when.

A line has the fields of its kind of key first, then its terms: `tenant=T` (whose key it is) and `expires=TIME`.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from steno.secret_file import Fault, Line, SecretFile
from steno.tenants import ALL_TENANTS, NO_TENANT, Caller, is_name

_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,6})?)?(Z|[+-]\d\d:\d\d)")
_ATTRIBUTE = re.compile(r"(tenant|expires)=(.*)")


@dataclass(frozen=True, slots=True)
class Terms:
    """Whose a key is, and until when it is valid."""

    #: As the line says it; None where it says none.
    tenant: str | None = None
    expires: datetime | None = None

    def owner(self, otherwise: str = NO_TENANT) -> str:
        """The tenant that owns what is sent with this key."""
        if self.tenant is None:
            return otherwise
        return NO_TENANT if self.everything else self.tenant

    @property
    def everything(self) -> bool:
        """Whether it sees all tenants."""
        return self.tenant == ALL_TENANTS


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


def split_terms(fields: Sequence[str]) -> tuple[list[str], Terms]:
    """Splits a line into its own fields and the terms behind them.

    Raises:
        ValueError: a term is malformed, stands twice, or is not last; the message does not quote the line.
    """
    given: dict[str, str] = {}
    rest: list[str] = []
    for part in fields:
        attribute = _ATTRIBUTE.fullmatch(part)
        if attribute is None:
            if given:
                raise ValueError("tenant=… and expires=… stand last")
            rest.append(part)
        elif attribute[1] in given:
            raise ValueError(f"{attribute[1]}=… stands twice")
        else:
            given[attribute[1]] = attribute[2]
    tenant, expires = given.get("tenant"), given.get("expires")
    if tenant is not None and tenant != ALL_TENANTS and not is_name(tenant):
        raise ValueError("tenant=… is neither a name nor *")
    return rest, Terms(tenant, None if expires is None else parse_time(expires))


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
    """The keys of a file that are valid now; none without a file, or while it is not there."""

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
        key = self._keys.current_or_recent().get(caller.key)
        return key is not None and key.opens(self._clock()) and key.caller == caller


def parse_time(text: str) -> datetime:
    """A time with its offset from UTC, for example `2027-01-31T00:00:00Z`.

    Raises:
        ValueError: it is not such a time.
    """
    try:
        if not _TIME.fullmatch(text):
            raise ValueError
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError("expires=… is not a time like 2027-01-31T00:00:00Z") from None
