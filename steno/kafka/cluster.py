"""The settings, codec and producer that all Kafka clients of a service share."""

from dataclasses import dataclass
from typing import Self

from steno.events.catalogue import Topic
from steno.events.codec import Codec
from steno.events.registry import schema_ids
from steno.kafka.client import client_options
from steno.kafka.dead_letters import DeadLetters
from steno.kafka.producer import LINGER_MS, Producer
from steno.kafka.topics import topic_name
from steno.settings import KafkaSettings, ServiceSettings, TopicSettings


@dataclass(frozen=True, kw_only=True, slots=True)
class Cluster:
    """The settings, codec and producer that the Kafka clients of a process share."""

    #: Addresses of the brokers, and authentication.
    kafka: KafkaSettings
    #: Prefix of topics and groups on the cluster, and partitions.
    topics: TopicSettings
    codec: Codec
    #: Sends the records of this process. The owner of the cluster must stop it.
    producer: Producer
    #: Receives the records that this service cannot process.
    dead_letters: DeadLetters
    #: Name of the service, which is a part of the names of its groups.
    service: str
    #: Name of this process among the replicas of its service; it must be the same after a restart.
    instance: str
    #: How long running work may take to finish at `stop`, and when partitions are revoked.
    drain_seconds: float

    @classmethod
    async def connect(cls, settings: ServiceSettings, *, linger_ms: int = LINGER_MS) -> Self:
        """Makes the cluster object of a service from its settings. Kafka need not be reachable.

        Raises:
            steno.tls_files.TlsFilesUnusable: the TLS files of the settings cannot be used.

        Args:
            linger_ms: How long a record may wait to be sent in one batch with others.
        """
        client_options(settings.kafka)
        return cls.of(
            settings.kafka,
            settings.topics,
            Codec(await schema_ids(settings.schemas)),
            service=settings.service,
            instance=settings.instance,
            drain_seconds=settings.drain_seconds,
            linger_ms=linger_ms,
        )

    @classmethod
    def of(
        cls,
        kafka: KafkaSettings,
        topics: TopicSettings,
        codec: Codec,
        *,
        service: str,
        instance: str = "0",
        drain_seconds: float = 30.0,
        linger_ms: int = LINGER_MS,
    ) -> Self:
        """Makes a cluster object with its own producer and dead letters; they connect at their first use."""
        producer = Producer(kafka, topics, codec, source=service, linger_ms=linger_ms)
        return cls(
            kafka=kafka,
            topics=topics,
            codec=codec,
            producer=producer,
            dead_letters=DeadLetters(producer, service),
            service=service,
            instance=instance,
            drain_seconds=drain_seconds,
        )

    def topic_name(self, topic: Topic) -> str:
        """The name of a catalogue topic on this cluster."""
        return topic_name(self.topics, topic)

    def group_name(self, suffix: str = "") -> str:
        """Returns the full name of a consumer group of this service; `suffix` distinguishes several groups."""
        return f"{self.topics.prefix}{self.service}{suffix and '-'}{suffix}"
