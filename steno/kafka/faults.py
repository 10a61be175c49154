"""Says for a person why Kafka refuses this client or cannot be reached: what is wrong, where, and what to do.

aiokafka logs the cause of a failed connection and raises an error without it, so the cause is found by a connection of our own.
"""

import ssl
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeGuard

from aiokafka.conn import create_conn, get_ip_port_afi
from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    GroupAuthorizationFailedError,
    KafkaError,
    SaslAuthenticationFailed,
    TopicAuthorizationFailedError,
    UnsupportedSaslMechanismError,
)

from steno.kafka.client import client_options
from steno.kafka.oauth import TokenUnavailable
from steno.settings import KafkaSettings
from steno.tls_files import certificate_facts

REFUSED = (TopicAuthorizationFailedError, GroupAuthorizationFailedError, ClusterAuthorizationFailedError)
"""Errors of aiokafka for what the ACLs of the cluster do not allow."""

_SECONDS = 10.0
# Numbers of OpenSSL's X509_V_ERR_…
_EXPIRED = 10
_OTHER_HOST = (62, 64)


def is_refusal(error: object) -> TypeGuard[Exception]:
    """Whether an error is one of `REFUSED`."""
    return isinstance(error, REFUSED)


def refusal(kafka: KafkaSettings, error: Exception, *, topic: str = "", group: str = "") -> str:
    """Returns what the cluster does not allow, and how to allow it.

    Args:
        error: One of `REFUSED`.
        topic: The topic, by its full name, if the error does not name it.
        group: The consumer group that was used.
    """
    if isinstance(error, GroupAuthorizationFailedError):
        what = f"the consumer group {group}"
    elif isinstance(error, TopicAuthorizationFailedError):
        named = ", ".join(_names(error)) or topic
        what = f"the topic {named}" if named else "a topic that it uses"
    else:
        what = "writing at all"
    return f"Kafka does not allow {kafka.user} {what}: give it the ACLs of docs/topics.md, Access ({error!r})"


def _names(error: Exception) -> list[str]:
    names = [name for argument in error.args for name in (argument if isinstance(argument, set | list | tuple) else [argument])]
    return sorted(str(name) for name in names)


@dataclass(frozen=True, slots=True)
class Fault:
    """What keeps this client from connecting."""

    #: What is wrong, where, and what to do.
    reason: str
    #: Whether it may pass without an operator, as a broker that is not running yet.
    may_pass: bool = False

    def __str__(self) -> str:
        return self.reason


async def connection_fault(kafka: KafkaSettings) -> Fault | None:
    """Returns what keeps this client from connecting, by trying the bootstrap servers; None where nothing does any more.

    A server that does not answer counts only where no other has a better reason.
    """
    silent = None
    for server in kafka.bootstrap_servers.split(","):
        host, port, _ = get_ip_port_afi(server.strip())
        options = {name: value for name, value in client_options(kafka).items() if name != "bootstrap_servers"}
        try:
            connection = await create_conn(host, port, request_timeout_ms=_SECONDS * 1000, **options)
        except (TokenUnavailable, SaslAuthenticationFailed, UnsupportedSaslMechanismError) as error:
            return Fault(_unauthenticated(kafka, server, error), may_pass=isinstance(error, TokenUnavailable))
        except (KafkaError, OSError, TimeoutError) as error:
            cause = error.__cause__ if isinstance(error.__cause__, ssl.SSLError) else error
            if isinstance(cause, ssl.SSLError):
                return Fault(_untrusted(kafka, server, cause))
            silent = silent or Fault(_unanswered(kafka, server, error), may_pass=True)
        else:
            await connection.close()
            return None
    return silent


def _unauthenticated(kafka: KafkaSettings, server: str, error: KafkaError) -> str:
    if isinstance(error, TokenUnavailable):
        return str(error)
    if isinstance(error, UnsupportedSaslMechanismError):
        return f"{server} does not support KAFKA_SASL_MECHANISM={kafka.sasl_mechanism}"
    settings = (
        "KAFKA_SASL_OAUTH_TOKEN_URL, its client and scope"
        if kafka.sasl_mechanism == "OAUTHBEARER"
        else "KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD"
    )
    return f"{server} refuses {kafka.user} by {kafka.sasl_mechanism}: check {settings} ({error})"


def _untrusted(kafka: KafkaSettings, server: str, error: ssl.SSLError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        if error.verify_code == _EXPIRED:
            return f"the certificate of {server}, or of a CA above it, has expired: renew it ({error.verify_message})"
        if error.verify_code in _OTHER_HOST:
            return f"the certificate of {server} is for another host: {error.verify_message}"
        authority = kafka.ssl_cafile or "the CAs of this system"
        return f"the certificate of {server} is not of KAFKA_SSL_CAFILE ({authority}): {error.verify_message}"
    if error.reason and "WRONG_VERSION" in error.reason:
        return f"{server} speaks no TLS: check its port and KAFKA_SECURITY_PROTOCOL={kafka.security_protocol}"
    return f"{server} refuses the TLS connection: {_own_certificate(kafka)} ({error.reason or error})"


def _unanswered(kafka: KafkaSettings, server: str, error: Exception) -> str:
    protocol = f"KAFKA_SECURITY_PROTOCOL={kafka.security_protocol}"
    if kafka.encrypted and isinstance(error, ConnectionResetError | ConnectionAbortedError):
        return f"{server} closes the connection before TLS is set up: check its port and {protocol}"
    if isinstance(error, OSError) and not isinstance(error, TimeoutError):
        return f"{server} cannot be reached: {error}; check that it runs, and KAFKA_BOOTSTRAP_SERVERS"
    if kafka.encrypted and kafka.ssl_certfile:
        return f"{server} closes the connection: {_own_certificate(kafka)} ({error})"
    return f"{server} does not answer as Kafka does: check its port and {protocol} ({error!r})"


def _own_certificate(kafka: KafkaSettings) -> str:
    if kafka.ssl_certfile is None:
        return "it may ask for a client certificate, KAFKA_SSL_CERTFILE"
    named = f"the certificate of KAFKA_SSL_CERTFILE ({kafka.ssl_certfile})"
    try:
        ends_at = certificate_facts(Path(kafka.ssl_certfile)).ends_at
    except OSError as error:
        return f"{named} cannot be read: {error}"
    if ends_at < datetime.now(UTC):
        return f"{named} has expired at {ends_at.isoformat()}: renew it"
    return f"it may not trust {named}"
