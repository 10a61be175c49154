"""The connection options that all Kafka clients of a process share: addresses and authentication."""

from typing import Any

from aiokafka.helpers import create_ssl_context

from steno.kafka import header_names  # noqa: F401 - patches aiokafka for consumers
from steno.settings import KafkaSettings


def client_options(kafka: KafkaSettings) -> dict[str, Any]:
    """Returns the keyword arguments for any aiokafka client: bootstrap servers, protocol, authentication."""
    options: dict[str, Any] = {
        "bootstrap_servers": kafka.bootstrap_servers,
        "security_protocol": kafka.security_protocol,
    }
    if kafka.security_protocol in ("SSL", "SASL_SSL"):
        options["ssl_context"] = create_ssl_context(cafile=kafka.ssl_cafile)
    if kafka.security_protocol.startswith("SASL"):
        options["sasl_mechanism"] = kafka.sasl_mechanism
        options["sasl_plain_username"] = kafka.sasl_username
        options["sasl_plain_password"] = kafka.sasl_password.get_secret_value() if kafka.sasl_password else None
    return options
