"""A Kafka in Docker, by testcontainers."""

import random
import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager

from testcontainers.core.config import testcontainers_config
from testcontainers.core.container import DockerContainer


@contextmanager
def kafka_container(image: str) -> Iterator[str]:
    """Runs a Kafka in a container of an image that is configured like Apache's own (`KAFKA_…` variables); gives its address.

    A plain container: testcontainers' own Kafka module knows Confluent's images only. The port is chosen beforehand, because a
    broker must be told when it starts which address its clients will use.

    Raises:
        docker.errors.DockerException: no engine answers, or it has no such image.
    """
    testcontainers_config.ryuk_disabled = True  # its image comes from a registry; the container is removed below
    port = _free_port()
    container = DockerContainer(image).with_bind_ports(9092, port).with_envs(**environment(f"127.0.0.1:{port}"))
    with closing(container.get_docker_client().client), container:
        yield f"127.0.0.1:{port}"


def environment(address: str) -> dict[str, str]:
    """Returns the variables of a single broker that clients reach at an address, on port 9092 of the container."""
    return {
        "KAFKA_NODE_ID": "1",
        "KAFKA_PROCESS_ROLES": "broker,controller",
        "KAFKA_CONTROLLER_QUORUM_VOTERS": "1@localhost:9093",
        "KAFKA_LISTENERS": "PLAINTEXT://0.0.0.0:9092,CONTROLLER://localhost:9093",
        "KAFKA_ADVERTISED_LISTENERS": f"PLAINTEXT://{address}",
        "KAFKA_LISTENER_SECURITY_PROTOCOL_MAP": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "KAFKA_CONTROLLER_LISTENER_NAMES": "CONTROLLER",
        "KAFKA_INTER_BROKER_LISTENER_NAME": "PLAINTEXT",
        "KAFKA_AUTO_CREATE_TOPICS_ENABLE": "false",
        "KAFKA_OFFSETS_TOPIC_NUM_PARTITIONS": "1",
        "KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR": "1",
        "KAFKA_TRANSACTION_STATE_LOG_NUM_PARTITIONS": "1",
        "KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR": "1",
        "KAFKA_TRANSACTION_STATE_LOG_MIN_ISR": "1",
        "KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS": "0",
        "KAFKA_GROUP_MIN_SESSION_TIMEOUT_MS": "1000",
    }


def _free_port() -> int:
    while True:
        port = random.randrange(20_000, 32_000)
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) != 0:
                return port
