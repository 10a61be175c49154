"""Changes the API key file: under a lock, as a whole, readable by its owner only."""

import fcntl
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from steno import private_files
from steno.http.auth import digest_of, key_line, make_key, read_api_key
from steno.key_file import Key, parse_keys
from steno.secret_file import Fault, Line, lines_of


def read_keys(text: str) -> tuple[dict[str, Key], list[Fault]]:
    """Parses the text of a key file: the keys by digest, and the lines that are not valid."""
    return parse_keys(lines_of(text), read_api_key)


def add_key(file: Path, name: str, *, tenant: str | None = None, expires: datetime | None = None) -> str:
    """Makes a key, adds its digest to a key file, and returns the key, which is stored nowhere.

    Without a tenant it gets the tenant of the other keys of its name, else one of its own name.

    Raises:
        ValueError: the name or the tenant is not valid.
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
    """Removes the keys of a name, and returns the names on all removed lines: the same key may have several names.

    Raises:
        OSError, UnicodeDecodeError: the file cannot be read, or written.
    """
    gone: list[str] = []

    def left(text: str) -> str:
        lines = lines_of(text)
        # Other lines with its digests are removed too, or the key would stay valid under another name.
        digests = {digest for line in lines if line.fields[0] == name for digest in _digest(line)}
        removed = [line for line in lines if line.fields[0] == name or digests.intersection(_digest(line))]
        numbers = {line.number for line in removed}
        gone.extend(line.fields[0] for line in removed)
        return "\n".join(line for number, line in enumerate(text.split("\n"), 1) if number not in numbers)

    _change(file, left)
    return gone


def grant_all_tenants(file: Path, key: str) -> bool:
    """Gives a key access to all tenants where its line names none (older versions wrote none); returns whether it is valid.

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
    """The digest in a line, as a list; empty where there is none."""
    return [field.lower() for field in line.fields[1:2]]


def read_text(file: Path) -> str:
    """Reads the text of a key file, line ends unchanged: a carriage return alone does not end a line.

    Raises:
        OSError, UnicodeDecodeError: the file cannot be read.
    """
    return file.read_bytes().decode("utf-8")


def _change(file: Path, change: Callable[[str], str]) -> None:
    """Replaces a file by a changed version of it, atomically, under a lock against other writers."""
    file.parent.mkdir(parents=True, exist_ok=True)
    path = file.resolve()
    with open(path.with_name(f".{path.name}.lock"), "w", encoding="utf-8", opener=private_files.opener) as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        before = read_text(path) if path.exists() else ""
        after = change(before)
        if after == before:
            return
        # Written by root, it is still for the services to read.
        private_files.write(path, after, like=path.stat() if path.exists() else None)
