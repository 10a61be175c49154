"""The PostgreSQL of a test session: a private cluster in a temporary folder, on a Unix socket."""

import os
import shutil
import signal
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy.engine import make_url

_READY_SECONDS = 30
_USER = "steno"


class NoPostgres(Exception):
    """PostgreSQL's programs are not installed; the message says what is missing."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Postgres:
    """A running cluster."""

    programs: Path
    socket_folder: Path

    def new_database(self, *, like: str | None = None) -> str:
        """Makes a database, empty or as a copy of another one without connections; returns its URL."""
        name = f"t_{uuid.uuid4().hex[:12]}"
        template = [] if like is None else ["--template", str(make_url(like).database)]
        subprocess.run(
            [self.programs / "createdb", "-h", self.socket_folder, "-U", _USER, *template, name],
            check=True,
            timeout=_READY_SECONDS,
        )
        return f"postgresql://{_USER}@/{name}?host={self.socket_folder}"


@contextmanager
def running_postgres() -> Iterator[Postgres]:
    """Runs a private cluster, which is deleted afterwards.

    Raises:
        NoPostgres: its programs, or a user it may run as, are missing.
    """
    programs = _programs()
    # PostgreSQL does not run as root.
    user = _unprivileged_user() if os.geteuid() == 0 else None
    folder = Path(tempfile.mkdtemp(prefix="steno-pg-"))
    try:
        if user is not None:
            shutil.chown(folder, user)
        subprocess.run(
            [programs / "initdb", "-D", folder / "data", "-U", _USER, "-A", "trust", "-E", "UTF8", "--no-sync"],
            check=True,
            user=user,
            cwd=folder,
            stdout=subprocess.DEVNULL,
            timeout=_READY_SECONDS * 2,
        )
        options = {"listen_addresses": "", "unix_socket_directories": str(folder), "fsync": "off", "max_connections": "100"}
        arguments = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        with (folder / "log").open("wb") as output:
            server = subprocess.Popen(
                [programs / "postgres", "-D", folder / "data", *arguments],
                user=user,
                cwd=folder,
                stdout=output,
                stderr=output,
            )
        try:
            _wait_ready(programs, folder, server)
            yield Postgres(programs=programs, socket_folder=folder)
        finally:
            server.send_signal(signal.SIGINT)
            server.wait(_READY_SECONDS)
    finally:
        shutil.rmtree(folder)


def _programs() -> Path:
    found = shutil.which("postgres")
    candidates = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: int(path.parts[-3]), reverse=True)
    for candidate in [*candidates, *([Path(found).resolve()] if found else [])]:
        if (candidate.parent / "initdb").exists():
            return candidate.parent
    raise NoPostgres("PostgreSQL is not installed (on Debian: apt-get install postgresql)")


def _unprivileged_user() -> str:
    import pwd

    names = {entry.pw_name for entry in pwd.getpwall()}
    for name in ("postgres", "nobody"):
        if name in names:
            return name
    raise NoPostgres("PostgreSQL does not run as root, and there is neither a user postgres nor nobody")


def _wait_ready(programs: Path, folder: Path, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _READY_SECONDS
    while subprocess.run([programs / "pg_isready", "-q", "-h", folder], timeout=_READY_SECONDS, check=False).returncode:
        if server.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"PostgreSQL did not start:\n{(folder / 'log').read_text('utf-8', 'replace')}")
        time.sleep(0.05)
