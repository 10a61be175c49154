"""TLS contexts of a server, made from certificate files that are read again when they change."""

import ssl
import time
from collections.abc import Callable
from pathlib import Path

import structlog

from steno.errors import StenoError

log = structlog.get_logger("steno.http.tls")

_LOOK_SECONDS = 1.0


class TlsFilesUnusable(StenoError):
    """The files do not contain a certificate with its key; the message names them and says what is wrong."""

    error_class = "tls_files_unusable"


class TlsFiles:
    """The PEM files of a server: its certificate with the chain, its private key, the authorities of client certificates."""

    def __init__(
        self,
        certificate: Path,
        key: Path,
        client_authority: Path | None = None,
        *,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """
        Args:
            client_authority: Clients must have a certificate of these authorities; with None they need none.

        Raises:
            TlsFilesUnusable: a service must not start with such files, since no client could connect.
        """
        self._files = tuple(path for path in (certificate, key, client_authority) if path is not None)
        self._certificate, self._key, self._client_authority = certificate, key, client_authority
        self._now = now
        self._looked_at = now()
        self._stamps = self._stamped()
        self._logged_failure = ""
        try:
            self._context = self._read()
        except OSError as error:
            raise TlsFilesUnusable(self._unusable(error)) from error

    def context(self) -> ssl.SSLContext:
        """Returns the context for a new connection, from the files as they are now, or as they last were usable."""
        if self._now() - self._looked_at >= _LOOK_SECONDS:
            self._looked_at = self._now()
            if self._logged_failure or self._stamped() != self._stamps:
                self._reload()
        return self._context

    def _reload(self) -> None:
        stamps = self._stamped()
        try:
            self._context = self._read()
        except OSError as error:
            # Perhaps only one file of a new pair is there yet: the old context stays in use, and the files are tried again.
            # The same failure is logged once.
            if (reason := self._unusable(error)) != self._logged_failure:
                self._logged_failure = reason
                log.error("tls.not_reloaded", reason=reason)
            return
        self._stamps, self._logged_failure = stamps, ""
        log.info("tls.reloaded", certificate=str(self._certificate))

    def _read(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.options |= ssl.OP_NO_RENEGOTIATION
        context.set_alpn_protocols(["http/1.1"])
        # Without this, OpenSSL would ask for a password on the terminal.
        context.load_cert_chain(self._certificate, self._key, password=lambda: "")
        if self._client_authority is not None:
            context.load_verify_locations(self._client_authority)
            context.verify_mode = ssl.CERT_REQUIRED
        return context

    def _stamped(self) -> tuple[tuple[int, int, int] | None, ...]:
        return tuple(_stamp(path) for path in self._files)

    def _unusable(self, error: OSError) -> str:
        return (
            f"these files cannot be used for TLS: {', '.join(map(str, self._files))}: {error}; they must be PEM: a certificate "
            "with its chain, its key without a password, and authorities if clients need certificates"
        )


def _stamp(path: Path) -> tuple[int, int, int] | None:
    """Returns values that change when a file is rewritten, or when a link leads to another file."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino, found.st_size
