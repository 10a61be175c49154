"""The TLS of the connections to Kafka: the CA of the brokers and the client's own certificate, read again when they change."""

import ssl
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

from steno.settings import KafkaSettings
from steno.tls_files import RereadTls, TlsFilesUnusable


class KafkaTls(RereadTls):
    """The files of the `KAFKA_SSL_…` settings."""

    def __init__(self, kafka: KafkaSettings, *, now: Callable[[], float] = time.monotonic) -> None:
        """
        Raises:
            TlsFilesUnusable: the message names the setting of the file that cannot be used.
        """
        self._kafka = kafka
        files = (kafka.ssl_cafile, kafka.ssl_certfile, kafka.ssl_keyfile)
        super().__init__(*(Path(file) if file else None for file in files), now=now)

    def _read(self) -> ssl.SSLContext:
        kafka = self._kafka
        try:
            context = ssl.create_default_context(cafile=kafka.ssl_cafile)
        except OSError as error:
            raise TlsFilesUnusable(
                f"KAFKA_SSL_CAFILE: {kafka.ssl_cafile} cannot be used: {error}; it must hold the certificates of CAs in PEM"
            ) from error
        if kafka.ssl_certfile is None:
            return context
        password = kafka.ssl_key_password.get_secret_value() if kafka.ssl_key_password else ""
        try:
            # Without a function, OpenSSL would ask for a password on the terminal.
            context.load_cert_chain(kafka.ssl_certfile, kafka.ssl_keyfile, password=lambda: password)
        except OSError as error:
            raise TlsFilesUnusable(
                f"KAFKA_SSL_CERTFILE, KAFKA_SSL_KEYFILE: {kafka.ssl_certfile} and {kafka.ssl_keyfile or 'the key in it'} "
                f"cannot be used: {error}; they must be a certificate with its chain and its key in PEM, and "
                "KAFKA_SSL_KEY_PASSWORD the password of the key if it has one"
            ) from error
        return context


class CurrentContext(ssl.SSLContext):
    """A context for clients that keep theirs, as those of aiokafka do: each new connection is made by the newest files."""

    _tls: RereadTls

    def __new__(cls, tls: RereadTls) -> Self:
        made = super().__new__(cls, ssl.PROTOCOL_TLS_CLIENT)
        made._tls = tls
        return made

    def wrap_bio(self, *args: Any, **options: Any) -> ssl.SSLObject:
        """Makes the TLS object of a connection; an event loop calls nothing else of a context."""
        return self._tls.context().wrap_bio(*args, **options)
