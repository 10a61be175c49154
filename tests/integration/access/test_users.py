"""How users prove who they are: by certificate, by access token, by password; and what they are told where they cannot."""

import asyncio
import shutil
import ssl
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from aiohttp import web
from support.certificates import Authority
from support.secure_kafka import SecureKafka, secure_kafka
from support.token_issuer import AUDIENCE, ISSUER, IdentityProvider, identity_provider

from steno.broker import TokenIssuer
from steno.events.access import access_of
from steno.events.catalogue import CALLS, PHRASES, RECORDINGS, TRANSCRIPTS
from steno.events.codec import Codec
from steno.events.schemas import ShippedSchemaIds
from steno.kafka.errors import AccessRefused, KafkaUnavailable
from steno.kafka.faults import connection_fault
from steno.kafka.producer import Producer
from steno.kafka.topics import create_topics
from steno.settings import KafkaSettings, TopicSettings

PREFIX = "acme."
TOPICS = TopicSettings(prefix=PREFIX, partitions=1)


@pytest.fixture(scope="module")
def provider() -> Iterator[IdentityProvider]:
    with identity_provider() as running:
        yield running


@pytest.fixture(scope="module")
def by_sasl(tmp_path_factory: pytest.TempPathFactory, provider: IdentityProvider) -> Iterator[SecureKafka]:
    """A broker that takes passwords and tokens. The notifier lacks the right to see phrases."""
    tokens = TokenIssuer(keys_url=f"{provider.url}/keys", issuer=ISSUER, audience=AUDIENCE)
    fewer = [rule for rule in access_of("notifier").rules(PREFIX) if rule.name != PREFIX + PHRASES.name]
    with secure_kafka(tmp_path_factory.mktemp("sasl"), PREFIX, tokens=tokens, access={"notifier": fewer}) as running:
        yield running


@pytest.fixture(scope="module")
def by_certificate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecureKafka]:
    """A broker that takes client certificates."""
    with secure_kafka(tmp_path_factory.mktemp("mutual"), PREFIX, protocol="SSL") as running:
        yield running


async def _works(kafka: KafkaSettings) -> None:
    """Creates what ingest creates, and writes to what ingest writes."""
    await create_topics(kafka, TOPICS, access_of("ingest").topics)
    producer = Producer(kafka, TOPICS, Codec(ShippedSchemaIds()), source="ingest")
    try:
        async with asyncio.timeout(30):
            await producer.send_raw(RECORDINGS, key=b"key", value=b"value", headers=())
    finally:
        await producer.stop()


async def _refused(kafka: KafkaSettings) -> str:
    """The reason for which the topics of a service cannot be created."""
    with pytest.raises(KafkaUnavailable) as refused:
        await create_topics(kafka, TOPICS, [RECORDINGS], seconds=20)
    return str(refused.value)


def _token_settings(secure: SecureKafka, provider: IdentityProvider, client: str, secret: str) -> KafkaSettings:
    return KafkaSettings.model_validate(
        {
            "bootstrap_servers": secure.servers,
            "security_protocol": "SASL_SSL",
            "ssl_cafile": str(secure.authority.file),
            "sasl_mechanism": "OAUTHBEARER",
            "sasl_oauth_token_url": f"{provider.url}/token",
            "sasl_oauth_client_id": client,
            "sasl_oauth_client_secret": secret,
        }
    )


async def test_a_client_certificate_is_a_user(by_certificate: SecureKafka) -> None:
    """Mutual TLS: the name in the certificate has the access of its service."""
    await _works(by_certificate.settings("ingest"))


async def test_a_renewed_certificate_counts_for_clients_that_run(by_certificate: SecureKafka, tmp_path: Path) -> None:
    """A client of aiokafka that keeps its options connects by the file as it is now, and says so when it has expired."""
    file = Path(shutil.copy(by_certificate.authority.pem("ingest"), tmp_path / "client.pem"))
    kafka = by_certificate.settings("ingest", ssl_certfile=str(file))
    assert await connection_fault(kafka) is None
    shutil.copy(by_certificate.authority.pem("ingest", ends=timedelta(minutes=-1)), file)
    async with asyncio.timeout(20):
        while (fault := await connection_fault(kafka)) is None:
            await asyncio.sleep(0.2)
    assert f"the certificate of KAFKA_SSL_CERTFILE ({file}) has expired at " in str(fault)
    shutil.copy(by_certificate.authority.pem("ingest"), file)
    async with asyncio.timeout(20):
        while await connection_fault(kafka) is not None:
            await asyncio.sleep(0.2)
    await _works(kafka)


async def test_a_missing_client_certificate_is_named(by_certificate: SecureKafka) -> None:
    """The broker asks for one."""
    kafka = KafkaSettings(
        bootstrap_servers=by_certificate.servers, security_protocol="SSL", ssl_cafile=str(by_certificate.authority.file)
    )
    assert "KAFKA_SSL_CERTFILE" in await _refused(kafka)


async def test_an_access_token_is_a_user(by_sasl: SecureKafka, provider: IdentityProvider) -> None:
    """OAUTHBEARER: the subject of the token has the access of its service; one token serves all its connections."""
    provider.given.clear()
    await _works(_token_settings(by_sasl, provider, "ingest", "secret-of-ingest"))
    assert provider.given == ["ingest"]


async def test_a_refused_client_secret_is_named(by_sasl: SecureKafka, provider: IdentityProvider) -> None:
    """The identity provider's reason is given, and the secret is not."""
    kafka = _token_settings(by_sasl, provider, "ingest", "wrong")
    fault = await connection_fault(kafka)
    assert f"no access token from {provider.url}/token for client ingest: status 401, 'invalid_client" in str(fault)
    assert "wrong" not in str(fault)


async def test_a_refused_token_is_named(by_sasl: SecureKafka, provider: IdentityProvider) -> None:
    """One that has expired by the broker's clock, say."""
    provider.seconds = -300
    try:
        fault = await connection_fault(_token_settings(by_sasl, provider, "enricher", "secret-of-enricher"))
    finally:
        provider.seconds = 300
    assert f"{by_sasl.servers} refuses user enricher by OAUTHBEARER: check KAFKA_SASL_OAUTH_TOKEN_URL" in str(fault)


async def test_a_wrong_password_is_named(by_sasl: SecureKafka) -> None:
    """With the user and the settings to check."""
    reason = await _refused(by_sasl.settings("ingest", sasl_password="wrong"))
    assert (
        f"{by_sasl.servers} refuses user ingest by SCRAM-SHA-512: check KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD" in reason
    )


async def test_a_mechanism_that_is_not_enabled_is_named(by_sasl: SecureKafka) -> None:
    """By its setting."""
    reason = await _refused(by_sasl.settings("ingest", sasl_mechanism="PLAIN"))
    assert f"{by_sasl.servers} does not support KAFKA_SASL_MECHANISM=PLAIN" in reason


async def test_a_wrong_authority_is_named(by_sasl: SecureKafka, tmp_path: Path) -> None:
    """The file of the setting is in the message."""
    other = Authority(tmp_path)
    reason = await _refused(by_sasl.settings("ingest", ssl_cafile=str(other.file)))
    assert f"the certificate of {by_sasl.servers} is not of KAFKA_SSL_CAFILE ({other.file})" in reason


async def test_a_port_without_tls_is_named(kafka: str) -> None:
    """A broker in the clear, where TLS is set."""
    fault = await connection_fault(KafkaSettings(bootstrap_servers=kafka, security_protocol="SSL"))
    assert f"{kafka} closes the connection before TLS is set up: check its port and KAFKA_SECURITY_PROTOCOL=SSL" in str(fault)


@pytest.mark.parametrize(
    ("name", "ends", "told"),
    [("127.0.0.1", timedelta(minutes=-1), "has expired: renew it"), ("elsewhere", timedelta(days=1), "is for another host")],
)
async def test_a_certificate_of_the_broker_that_is_not_valid_is_named(
    tmp_path: Path, name: str, ends: timedelta, told: str
) -> None:
    """It is the broker's, not the CA's, and the message says what is wrong with it."""
    authority = Authority(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority.pem(name, ends=ends))
    runner = web.AppRunner(web.Application())
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    try:
        server = f"127.0.0.1:{runner.addresses[0][1]}"
        fault = await connection_fault(
            KafkaSettings(bootstrap_servers=server, security_protocol="SSL", ssl_cafile=str(authority.file))
        )
    finally:
        await runner.cleanup()
    assert f"the certificate of {server}" in str(fault)
    assert told in str(fault)


async def test_a_topic_that_may_not_be_seen_is_named(by_sasl: SecureKafka) -> None:
    """The user, the topic, and where the ACLs stand; it may be tried again, and works once it is allowed."""
    await create_topics(by_sasl.settings("ingest"), TOPICS, [PHRASES, TRANSCRIPTS, CALLS])
    kafka = by_sasl.settings("notifier")
    with pytest.raises(AccessRefused, match=r"allow user notifier the topic acme\.phrases: .* docs/topics\.md, Access"):
        await create_topics(kafka, TOPICS, [CALLS, PHRASES])
    await by_sasl.allow("notifier", access_of("notifier").rules(PREFIX))
    async with asyncio.timeout(20):
        while True:
            try:
                return await create_topics(kafka, TOPICS, [CALLS, PHRASES])
            except AccessRefused:
                await asyncio.sleep(0.1)


async def test_a_topic_that_may_not_be_written_is_named(by_sasl: SecureKafka) -> None:
    """The producer says so, and can be used for what is allowed."""
    kafka = by_sasl.settings("transcriber")
    await create_topics(kafka, TOPICS, access_of("transcriber").topics)
    producer = Producer(kafka, TOPICS, Codec(ShippedSchemaIds()), source="transcriber")
    try:
        with pytest.raises(AccessRefused, match=r"allow user transcriber the topic acme\.recordings"):
            await producer.send_raw(RECORDINGS, key=b"key", value=b"value", headers=())
        await producer.send_raw(PHRASES, key=b"key", value=b"value", headers=())
    finally:
        await producer.stop()
