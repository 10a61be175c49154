"""The connection options that all Kafka clients of a process share: addresses and authentication."""

import asyncio
from functools import cache
from typing import Any

from aiokafka import AIOKafkaConsumer

from steno.kafka import header_names  # noqa: F401 - patches aiokafka for consumers
from steno.kafka.oauth import TokenEndpoint
from steno.kafka.tls import CurrentContext, KafkaTls
from steno.settings import KafkaSettings


def client_options(kafka: KafkaSettings) -> dict[str, Any]:
    """Returns the keyword arguments for any aiokafka client: bootstrap servers, protocol, authentication.

    Raises:
        steno.tls_files.TlsFilesUnusable: a TLS file cannot be used. Only the first call with these settings raises it.
    """
    options: dict[str, Any] = {"bootstrap_servers": kafka.bootstrap_servers, "security_protocol": kafka.security_protocol}
    if kafka.encrypted:
        options["ssl_context"] = _tls(kafka)
    if kafka.authenticated:
        options["sasl_mechanism"] = kafka.sasl_mechanism
        if kafka.sasl_mechanism == "OAUTHBEARER":
            options["sasl_oauth_token_provider"] = _tokens(kafka)
        else:
            options["sasl_plain_username"] = kafka.sasl_username
            options["sasl_plain_password"] = kafka.sasl_password.get_secret_value() if kafka.sasl_password else None
    return options


# One of each for all clients of a process: files are read, and tokens fetched, once for all of them.
@cache
def _tls(kafka: KafkaSettings) -> CurrentContext:
    return CurrentContext(KafkaTls(kafka))


@cache
def _tokens(kafka: KafkaSettings) -> TokenEndpoint:
    return TokenEndpoint(kafka)


async def stop_consumer(client: AIOKafkaConsumer) -> None:
    """Stops a consumer client, also where its brokers are gone."""
    try:
        await client.stop()
    except asyncio.CancelledError:
        # Without a broker aiokafka raises the cancellation of its own fetches, which is none of the caller.
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise
        await client._client.close()
