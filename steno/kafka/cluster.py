"""The Kafka cluster of an installation as one service uses it: what each of the service's Kafka clients is made from."""

from dataclasses import dataclass
from typing import Self

from steno.events.catalogue import Topic
from steno.events.codec import Codec
from steno.events.registry import schema_ids
from steno.kafka.dead_letters import DeadLetters
from steno.kafka.producer import LINGER_MS, Producer
from steno.kafka.topics import topic_name
from steno.settings import KafkaSettings, ServiceSettings, TopicSettings


@dataclass(frozen=True, kw_only=True, slots=True)
class Cluster:
    """Everything that the Kafka clients of one process have in common."""

    #: Where the brokers are and how to sign in.
    kafka: KafkaSettings
    #: How topics and groups are named on the cluster.
    topics: TopicSettings
    codec: Codec
    #: Sends the records of this process; whoever builds the cluster stops it at the end.
    producer: Producer
    #: Takes the records that this service cannot process.
    dead_letters: DeadLetters
    #: The service that this process belongs to, which its groups are named after.
    service: str
    #: Name of this process among the replicas of its service, the same after a restart.
    instance: str
    #: How long running work may take to finish at `stop` and when partitions are taken back.
    drain_seconds: float

    @classmethod
    async def connect(cls, settings: ServiceSettings, *, linger_ms: int = LINGER_MS) -> Self:
        """The cluster of a service, by its settings. It does not need Kafka to be there.

        Args:
            linger_ms: How long a record may wait for others to be sent with it.
        """
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
        """A cluster with a producer and dead letters of its own; nothing is connected before it is used."""
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
        """The whole name of a consumer group of this service; `suffix` tells its groups apart where it has several."""
        return f"{self.topics.prefix}{self.service}{suffix and '-'}{suffix}"
