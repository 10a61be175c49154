"""A Kafka with TLS, users and ACLs, each service being allowed what the catalogue says it does."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from aiokafka.admin import AIOKafkaAdminClient
from support.certificates import Authority

from steno.broker import BrokerSecurity, LocalCluster, TokenIssuer, grant
from steno.events.access import OUTSIDE, Rule, access_of
from steno.settings import SERVICES, KafkaSettings

USERS = (*SERVICES, *OUTSIDE)


@dataclass(frozen=True, kw_only=True)
class SecureKafka:
    """A running cluster, and how its users connect."""

    servers: str
    authority: Authority
    security: BrokerSecurity

    def environment(self, user: str, **changed: str) -> dict[str, str]:
        """The `KAFKA_…` variables of a user; `changed` by the name behind `KAFKA_`."""
        values = {"BOOTSTRAP_SERVERS": self.servers, "SECURITY_PROTOCOL": self.security.protocol}
        values["SSL_CAFILE"] = str(self.authority.file)
        if self.security.protocol == "SASL_SSL":
            values |= {"SASL_USERNAME": user, "SASL_PASSWORD": self.security.passwords[user]}
        else:
            values["SSL_CERTFILE"] = str(self.authority.pem(user))
        return {f"KAFKA_{name}": value for name, value in {**values, **changed}.items()}

    def settings(self, user: str, **changed: str) -> KafkaSettings:
        """The settings of a user."""
        values = self.environment(user, **{name.upper(): value for name, value in changed.items()})
        return KafkaSettings.model_validate({name.removeprefix("KAFKA_").lower(): value for name, value in values.items()})

    def foreign(self, user: str) -> dict[str, Any]:
        """The options of librdkafka for a user."""
        return {
            "bootstrap.servers": self.servers,
            "security.protocol": "SASL_SSL",
            "ssl.ca.location": str(self.authority.file),
            "sasl.mechanisms": "SCRAM-SHA-512",
            "sasl.username": user,
            "sasl.password": self.security.passwords[user],
        }

    def administrator(self) -> AIOKafkaAdminClient:
        """A client that may do everything; not started."""
        return AIOKafkaAdminClient(bootstrap_servers=self.servers, **self.security.connection())

    async def allow(self, user: str, rules: Sequence[Rule]) -> None:
        """Allows a user more."""
        await grant(self.servers, self.security, {user: rules})


@contextmanager
def secure_kafka(
    folder: Path,
    prefix: str,
    *,
    protocol: Literal["SASL_SSL", "SSL"] = "SASL_SSL",
    tokens: TokenIssuer | None = None,
    access: Mapping[str, Sequence[Rule]] | None = None,
) -> Iterator[SecureKafka]:
    """Runs a cluster of one broker.

    Args:
        prefix: Of topics and groups.
        access: What users may do, in place of what the catalogue says of them.
    """
    authority = Authority(folder)
    security = BrokerSecurity(
        certificate=authority.pem("127.0.0.1"),
        authority=authority.file,
        protocol=protocol,
        passwords={user: f"password-of-{user}" for user in USERS},
        tokens=tokens,
        access={**{user: access_of(user).rules(prefix) for user in USERS}, **(access or {})},
    )
    cluster = LocalCluster(security=security)
    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        runner.run(cluster.start())
        try:
            yield SecureKafka(servers=cluster.bootstrap_servers, authority=authority, security=security)
        finally:
            runner.run(cluster.stop())
