"""The broker allows each service what the catalogue says it does, and nothing else."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from aiokafka.admin import NewTopic
from aiokafka.conn import create_conn
from aiokafka.errors import GroupAuthorizationFailedError, TopicAuthorizationFailedError
from aiokafka.protocol.commit import OffsetCommitRequest
from aiokafka.protocol.fetch import FetchRequest
from confluent_kafka import KafkaError, Producer
from support.secure_kafka import USERS, SecureKafka, secure_kafka

from steno.events.access import access_of
from steno.events.catalogue import catalogue, groups
from steno.kafka.client import client_options
from steno.kafka.topics import create_topics
from steno.settings import SERVICES, KafkaSettings, TopicSettings

PREFIX = "acme."
TOPICS = TopicSettings(prefix=PREFIX, partitions=1)
_SECONDS = 30


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecureKafka]:
    """A broker with ACLs and a record on each topic of the catalogue; the services create theirs themselves."""
    with secure_kafka(tmp_path_factory.mktemp("secure"), PREFIX) as running:
        for service in SERVICES:
            asyncio.run(create_topics(running.settings(service), TOPICS, access_of(service).topics))
        asyncio.run(_create_others(running))
        for user in USERS:
            _write(running, user)
        yield running


async def _create_others(secure: SecureKafka) -> None:
    """Creates the topics that no service uses."""
    used = {topic for service in SERVICES for topic in access_of(service).topics}
    admin = secure.administrator()
    await admin.start()
    try:
        await admin.create_topics([NewTopic(PREFIX + topic.name, 1, 1) for topic in catalogue().values() if topic not in used])
    finally:
        await admin.close()


def _write(secure: SecureKafka, user: str) -> dict[str, int | None]:
    """Writes a record to every topic as a user; returns the error of each, None where it was written."""
    found: dict[str, int | None] = {}
    producer = Producer({**secure.foreign(user), "acks": "all", "message.timeout.ms": _SECONDS * 1000})
    for name in catalogue():

        def delivered(error: KafkaError | None, _message: object, name: str = name) -> None:
            found[name] = None if error is None else error.code()

        producer.produce(PREFIX + name, b"value", b"key", on_delivery=delivered)
    assert producer.flush(_SECONDS) == 0
    return found


async def _answer(secure: SecureKafka, user: str, request: Any) -> Any:
    """Sends a request as a user, without first asking what it may see, as a client would."""
    options = client_options(secure.settings(user))
    host, port = options.pop("bootstrap_servers").split(":")
    connection = await create_conn(host, int(port), **options)
    try:
        return await connection.send(request)
    finally:
        await connection.close()


async def _read(secure: SecureKafka, user: str) -> set[str]:
    """Reads every topic from its beginning as a user; returns those of which a record came. All others must be refused."""
    wanted = [(PREFIX + name, [(0, 0, 1000)]) for name in catalogue()]
    answer = await _answer(secure, user, FetchRequest(0, 1, 1_000_000, 0, wanted))
    readable = set()
    for name, [(_, code, *_offsets, records)] in answer.topics:
        if records:
            readable.add(name.removeprefix(PREFIX))
        else:
            assert code == TopicAuthorizationFailedError.errno, name
    return readable


@pytest.mark.parametrize("user", USERS)
def test_who_writes_what_is_not_its_own_is_refused(secure: SecureKafka, user: str) -> None:
    """And what is its own is written."""
    own = {topic.name for topic in access_of(user).writes}
    refused = KafkaError.TOPIC_AUTHORIZATION_FAILED
    assert _write(secure, user) == {name: None if name in own else refused for name in catalogue()}


@pytest.mark.parametrize("user", USERS)
async def test_who_reads_what_is_not_its_own_is_refused(secure: SecureKafka, user: str) -> None:
    """And what is its own is read."""
    assert await _read(secure, user) == {topic.name for topic in access_of(user).reads}


@pytest.mark.parametrize("user", USERS)
async def test_who_commits_in_a_group_of_others_is_refused(secure: SecureKafka, user: str) -> None:
    """Nobody can move another service past records."""
    topic = PREFIX + (access_of(user).reads or access_of(user).writes)[0].name
    refused = set()
    for group in groups():
        answer = await _answer(secure, user, OffsetCommitRequest(PREFIX + group, -1, "", -1, [(topic, [(0, 1, "")])]))
        [(_, [(_, code)])] = answer.topics
        refused |= {group} if code == GroupAuthorizationFailedError.errno else set()
    assert refused == {group for group, owner in groups().items() if owner != user}


def test_nobody_comes_in_without_tls(secure: SecureKafka) -> None:
    """The listener of the clients takes nothing else."""
    with pytest.raises(Exception, match="does not answer as Kafka does: check its port and KAFKA_SECURITY_PROTOCOL=PLAINTEXT"):
        asyncio.run(create_topics(KafkaSettings(bootstrap_servers=secure.servers), TOPICS, seconds=2))
