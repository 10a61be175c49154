"""Encryption, authentication and access control of a Kafka on this machine: its settings, and how its administrator connects.

Sources: Kafka documentation, "Security"; KIP-651 (PEM files), KIP-900 (SCRAM at format), KIP-768 and KIP-1139 (OAUTHBEARER).
"""

import secrets
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from steno.broker.errors import BrokerError
from steno.events.access import Rule
from steno.tls_files import certificate_facts

ADMINISTRATOR = "administrator"
"""The user who may do everything."""

LISTENER = "CLIENTS"
_SCRAM = "SCRAM-SHA-512"
_OAUTH = "org.apache.kafka.common.security.oauthbearer"


@dataclass(frozen=True, kw_only=True, slots=True)
class TokenIssuer:
    """Whose access tokens the brokers accept by OAUTHBEARER; the subject of a token is the user."""

    #: Where its public keys are (JWKS), http or https.
    keys_url: str
    issuer: str
    audience: str


@dataclass(frozen=True, kw_only=True, slots=True)
class BrokerSecurity:
    """What protects the clients' listener of a local cluster. Without a rule nobody may do anything."""

    #: PEM file of the brokers' certificate for 127.0.0.1 and its key (PKCS 8, no password).
    certificate: Path
    #: PEM file of the CA that signs the brokers' certificate, and those of clients.
    authority: Path
    #: SASL_SSL: users by password or token. SSL: users by certificate, whose common name is the user.
    protocol: Literal["SASL_SSL", "SSL"] = "SASL_SSL"
    #: Passwords by user, for SCRAM-SHA-512. They count when a data folder is made.
    passwords: Mapping[str, str] = field(default_factory=dict, repr=False)
    administrator_password: str = field(default_factory=lambda: secrets.token_urlsafe(24), repr=False)
    tokens: TokenIssuer | None = None
    #: What each user may do; granted at each start.
    access: Mapping[str, Sequence[Rule]] = field(default_factory=dict)

    def connection(self) -> dict[str, Any]:
        """Returns the options by which aiokafka connects as the administrator."""
        context = ssl.create_default_context(cafile=str(self.authority))
        if self.protocol == "SSL":
            context.load_cert_chain(self.certificate)
            return {"security_protocol": "SSL", "ssl_context": context}
        return {
            "security_protocol": "SASL_SSL",
            "ssl_context": context,
            "sasl_mechanism": _SCRAM,
            "sasl_plain_username": ADMINISTRATOR,
            "sasl_plain_password": self.administrator_password,
        }

    def properties(self) -> dict[str, str]:
        """Returns Kafka's settings, in addition to the addresses of the listeners.

        Raises:
            BrokerError: the certificate has no common name, or is none.
        """
        listener = f"listener.name.{LISTENER.lower()}"
        mechanisms = [_SCRAM, *(["OAUTHBEARER"] if self.tokens else [])]
        return {
            "listener.security.protocol.map": f"{LISTENER}:{self.protocol},CONTROLLER:SSL",
            "inter.broker.listener.name": LISTENER,
            "sasl.mechanism.inter.broker.protocol": _SCRAM,
            f"{listener}.sasl.enabled.mechanisms": ",".join(mechanisms),
            f"{listener}.{_SCRAM.lower()}.sasl.jaas.config": (
                "org.apache.kafka.common.security.scram.ScramLoginModule required "
                f'username="{ADMINISTRATOR}" password="{self.administrator_password}";'
            ),
            **self._token_properties(f"{listener}.oauthbearer"),
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": str(self.certificate.absolute()),
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": str(self.authority.absolute()),
            "ssl.principal.mapping.rules": "RULE:^CN=([^,]+).*$/$1/,DEFAULT",
            f"{listener}.ssl.client.auth": "required" if self.protocol == "SSL" else "requested",
            # Nobody but the brokers themselves talks to the controllers.
            "listener.name.controller.ssl.client.auth": "required",
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "super.users": f"User:{ADMINISTRATOR};User:{_common_name(self.certificate)}",
        }

    def java_flags(self) -> tuple[str, ...]:
        """Returns the flags that let Kafka fetch the keys of the issuer, and nothing else."""
        return (f"-Dorg.apache.kafka.sasl.oauthbearer.allowed.urls={self.tokens.keys_url}",) if self.tokens else ()

    def format_options(self) -> tuple[str, ...]:
        """Returns the options by which Kafka's format tool makes the users; an option's value may not have `]` or `,` in it.

        Raises:
            BrokerError: a user or password has.
        """
        users = {ADMINISTRATOR: self.administrator_password, **self.passwords}
        for user, password in users.items():
            if not set("],[=").isdisjoint(user + password):
                raise BrokerError(f"the name or password of the Kafka user {user} has one of the characters [ ] , =")
        return tuple(f"--add-scram={_SCRAM}=[name={user},password={password}]" for user, password in users.items())

    def _token_properties(self, mechanism: str) -> dict[str, str]:
        if self.tokens is None:
            return {}
        return {
            f"{mechanism}.sasl.jaas.config": f"{_OAUTH}.OAuthBearerLoginModule required;",
            f"{mechanism}.sasl.server.callback.handler.class": f"{_OAUTH}.OAuthBearerValidatorCallbackHandler",
            f"{mechanism}.sasl.oauthbearer.jwks.endpoint.url": self.tokens.keys_url,
            f"{mechanism}.sasl.oauthbearer.expected.issuer": self.tokens.issuer,
            f"{mechanism}.sasl.oauthbearer.expected.audience": self.tokens.audience,
        }


def _common_name(certificate: Path) -> str:
    try:
        if name := certificate_facts(certificate).common_name:
            return name
    except OSError as error:
        raise BrokerError(f"{certificate} has no certificate in PEM: {error}") from error
    raise BrokerError(f"the certificate {certificate} has no common name, by which brokers know each other")
