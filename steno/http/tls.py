"""TLS contexts of a server, made from certificate files that are read again when they change."""

import ssl
import time
from collections.abc import Callable
from pathlib import Path

from steno.tls_files import RereadTls, TlsFilesUnusable


class TlsFiles(RereadTls):
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
        self._certificate, self._key, self._client_authority = certificate, key, client_authority
        super().__init__(certificate, key, client_authority, now=now)

    def _read(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.options |= ssl.OP_NO_RENEGOTIATION
        context.set_alpn_protocols(["http/1.1"])
        try:
            # Without this, OpenSSL would ask for a password on the terminal.
            context.load_cert_chain(self._certificate, self._key, password=lambda: "")
            if self._client_authority is not None:
                context.load_verify_locations(self._client_authority)
                context.verify_mode = ssl.CERT_REQUIRED
        except OSError as error:
            raise TlsFilesUnusable(
                f"these files cannot be used for TLS: {', '.join(map(str, self._files))}: {error}; they must be PEM: a "
                "certificate with its chain, its key without a password, and authorities if clients need certificates"
            ) from error
        return context
