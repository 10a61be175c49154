"""The API key file as the command line changes it: under a lock, as a whole, and for nobody else to read."""

import fcntl
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from steno import private_files
from steno.http.auth import digest_of, key_line, make_key, read_api_key
from steno.key_file import Key, parse_keys
from steno.secret_file import Fault, Line, lines_of


def read_keys(text: str) -> tuple[dict[str, Key], list[Fault]]:
    """The keys in the text of a key file by digest, and what is wrong with its other lines."""
    return parse_keys(lines_of(text), read_api_key)


def add_key(file: Path, name: str, *, tenant: str | None = None, expires: datetime | None = None) -> str:
    """Adds a new key's digest to a key file and returns the key, which is kept nowhere.

    Without a tenant it is of the tenant that other keys of its name have, else of one of its own name.

    Raises:
        ValueError: the name or the tenant cannot be one.
        OSError, UnicodeDecodeError: the file cannot be read, or written.
    """
    key = make_key()

    def added(text: str) -> str:
        given = tenant or next((found.tenant for found in read_keys(text)[0].values() if found.caller.name == name), None)
        line = key_line(name, key, tenant=given, expires=expires)
        return text + ("" if not text or text.endswith("\n") else "\n") + line

    _change(file, added)
    return key


def revoke(file: Path, name: str) -> list[str]:
    """Removes the keys of a name, and gives the names of the lines that went: the same key may stand under other names.

    Raises:
        OSError, UnicodeDecodeError: the file cannot be read, or written.
    """
    gone: list[str] = []

    def left(text: str) -> str:
        lines = lines_of(text)
        # Its digests too: in another line they would open, now that nobody disputes them.
        digests = {digest for line in lines if line.fields[0] == name for digest in _digest(line)}
        removed = [line for line in lines if line.fields[0] == name or digests.intersection(_digest(line))]
        numbers = {line.number for line in removed}
        gone.extend(line.fields[0] for line in removed)
        return "\n".join(line for number, line in enumerate(text.split("\n"), 1) if number not in numbers)

    _change(file, left)
    return gone


def let_see_everything(file: Path, key: str) -> bool:
    """Has a key see everything whose line says no tenant, as lines did not before there were any. Says whether the key opens.

    Raises:
        OSError, UnicodeDecodeError: the file cannot be read, or written.
    """
    found: Key | None = None

    def said(text: str) -> str:
        nonlocal found
        found = read_keys(text)[0].get(digest_of(key))
        if found is None or found.tenant is not None:
            return text
        lines = text.split("\n")
        lines[found.line - 1] = lines[found.line - 1].rstrip() + " tenant=*"
        return "\n".join(lines)

    _change(file, said)
    return found is not None


def _digest(line: Line) -> list[str]:
    """What stands where a digest does."""
    return [field.lower() for field in line.fields[1:2]]


def text_of(file: Path) -> str:
    """The text of a key file, its line ends as they are: a carriage return alone ends none.

    Raises:
        OSError, UnicodeDecodeError: it cannot be read.
    """
    return file.read_bytes().decode("utf-8")


def _change(file: Path, change: Callable[[str], str]) -> None:
    """Replaces a file by what is made of it. Others that change it wait meanwhile; who reads it sees it before or after."""
    file.parent.mkdir(parents=True, exist_ok=True)
    path = file.resolve()
    with open(path.with_name(f".{path.name}.lock"), "w", encoding="utf-8", opener=private_files.opener) as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        before = text_of(path) if path.exists() else ""
        after = change(before)
        if after == before:
            return
        # Written by root, it is still for the services to read.
        private_files.write(path, after, like=path.stat() if path.exists() else None)
