"""TLS of a server, whose certificate files are read again when they change."""

import ssl
import time
from collections.abc import Callable
from pathlib import Path

import structlog

from steno.errors import StenoError

log = structlog.get_logger("steno.http.tls")

_LOOK_SECONDS = 1.0


class TlsFilesUnusable(StenoError):
    """There is no certificate with its key in the files; the message names them and says what is wrong."""

    error_class = "tls_files_unusable"


class TlsFiles:
    """A certificate with its chain, its private key, and whose certificates clients must show, all PEM."""

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
            client_authority: Clients must show a certificate of these authorities; None asks for none.

        Raises:
            TlsFilesUnusable: so that a service that could answer nobody does not start.
        """
        self._files = tuple(path for path in (certificate, key, client_authority) if path is not None)
        self._certificate, self._key, self._client_authority = certificate, key, client_authority
        self._now = now
        self._looked_at = now()
        self._stamps = self._stamped()
        self._told = ""
        try:
            self._context = self._read()
        except OSError as error:
            raise TlsFilesUnusable(self._unusable(error)) from error

    def context(self) -> ssl.SSLContext:
        """What a new connection agrees on TLS with: by the files as they are now, or as they last were usable."""
        if self._now() - self._looked_at >= _LOOK_SECONDS:
            self._looked_at = self._now()
            if self._told or self._stamped() != self._stamps:
                self._reload()
        return self._context

    def _reload(self) -> None:
        stamps = self._stamped()
        try:
            self._context = self._read()
        except OSError as error:
            # Half of a new pair may be there: what was good stays in use, and it is tried again. Told once.
            if (reason := self._unusable(error)) != self._told:
                self._told = reason
                log.error("tls.not_reloaded", reason=reason)
            return
        self._stamps, self._told = stamps, ""
        log.info("tls.reloaded", certificate=str(self._certificate))

    def _read(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.options |= ssl.OP_NO_RENEGOTIATION
        context.set_alpn_protocols(["http/1.1"])
        # With a password asked for, OpenSSL would wait for somebody at a terminal.
        context.load_cert_chain(self._certificate, self._key, password=lambda: "")
        if self._client_authority is not None:
            context.load_verify_locations(self._client_authority)
            context.verify_mode = ssl.CERT_REQUIRED
        return context

    def _stamped(self) -> tuple[tuple[int, int, int] | None, ...]:
        return tuple(_stamp(path) for path in self._files)

    def _unusable(self, error: OSError) -> str:
        return (
            f"no TLS can be made of {', '.join(map(str, self._files))}: {error}; they must be PEM: a certificate with its "
            "chain, its key without a password, and authorities where clients show certificates"
        )


def _stamp(path: Path) -> tuple[int, int, int] | None:
    """What differs once a file is written anew, or a link leads to another one."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino, found.st_size
