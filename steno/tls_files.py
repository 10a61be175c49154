"""TLS contexts made from files that are read again when they change, for servers and for clients."""

import ssl
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import structlog

from steno.errors import StenoError

log = structlog.get_logger("steno.tls_files")

_LOOK_SECONDS = 1.0


class TlsFilesUnusable(StenoError):
    """No TLS context can be made of the files; the message names them and says what is wrong."""

    error_class = "tls_files_unusable"


class RereadTls(ABC):
    """A TLS context, and the files that it is made from."""

    def __init__(self, *files: Path | None, now: Callable[[], float] = time.monotonic) -> None:
        """
        Args:
            files: The files that `_read` reads; None for one that is not used.
            now: Seconds of a clock that only goes forward.

        Raises:
            TlsFilesUnusable: a service must not start with such files.
        """
        self._files = tuple(path for path in files if path is not None)
        self._now = now
        self._looked_at = now()
        self._stamps = self._stamped()
        self._logged_failure = ""
        self._context = self._read()

    def context(self) -> ssl.SSLContext:
        """Returns the context for a new connection, from the files as they are now, or as they last were usable."""
        if self._now() - self._looked_at >= _LOOK_SECONDS:
            self._looked_at = self._now()
            if self._logged_failure or self._stamped() != self._stamps:
                self._reload()
        return self._context

    @abstractmethod
    def _read(self) -> ssl.SSLContext:
        """Makes a new context. Raises `TlsFilesUnusable`."""

    def _reload(self) -> None:
        stamps = self._stamped()
        try:
            self._context = self._read()
        except TlsFilesUnusable as error:
            # Perhaps only one file of a new pair is there yet: the old context stays in use, and the files are tried again.
            # The same failure is logged once.
            if (reason := str(error)) != self._logged_failure:
                self._logged_failure = reason
                log.error("tls.not_reloaded", reason=reason)
            return
        self._stamps, self._logged_failure = stamps, ""
        log.info("tls.reloaded", files=list(map(str, self._files)))

    def _stamped(self) -> tuple[tuple[int, int, int] | None, ...]:
        return tuple(_stamp(path) for path in self._files)


@dataclass(frozen=True, slots=True)
class CertificateFacts:
    """What the first certificate of a file says."""

    common_name: str
    ends_at: datetime


def certificate_facts(path: Path) -> CertificateFacts:
    """Reads the first certificate of a PEM file, without its signature being checked.

    Raises:
        OSError: the file cannot be read, or has none.
    """
    # Not every image has the library cryptography, and Python's own decoder of a file has no other name.
    found = ssl._ssl._test_decode_cert(str(path))  # type: ignore[attr-defined]
    names = dict(pair for group in found["subject"] for pair in group)
    return CertificateFacts(
        common_name=names.get("commonName", ""),
        ends_at=datetime.fromtimestamp(ssl.cert_time_to_seconds(found["notAfter"]), UTC),
    )


def _stamp(path: Path) -> tuple[int, int, int] | None:
    """Returns values that change when a file is rewritten, or when a link leads to another file."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino, found.st_size
