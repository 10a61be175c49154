"""The configuration of a broker on this machine: `server.properties`, logging, and Java's options."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from steno.broker.security import LISTENER, BrokerSecurity
from steno.local_ports import HOST

JVM_FLAGS = (
    "-Xms64m",
    "-Xmx256m",
    "-XX:MaxDirectMemorySize=64m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-XX:+ExitOnOutOfMemoryError",
    "-XX:-UsePerfData",
    "-Djava.awt.headless=true",
)
"""Measured: ready in 2 s, 150 MB of memory, 100,000 small records a second."""

SHORT_LIVED_FLAGS = ("-Xmx128m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:-UsePerfData")


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One broker, which is a controller too: its id (from 1) and the two loopback ports it listens on."""

    node_id: int
    broker_port: int
    controller_port: int

    @property
    def address(self) -> str:
        return f"{HOST}:{self.broker_port}"


def server_properties(
    node: Node, nodes: Sequence[Node], log_dir: Path, security: BrokerSecurity | None = None
) -> dict[str, str]:
    """Kafka's settings for one node of the cluster (Kafka documentation, "Broker configs").

    Clusters of three keep three copies of everything and need two to acknowledge.

    Raises:
        BrokerError: see `BrokerSecurity.properties`.
    """
    listener = "PLAINTEXT" if security is None else LISTENER
    protocols = {
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "inter.broker.listener.name": "PLAINTEXT",
    }
    copies, acknowledging = (3, 2) if len(nodes) >= 3 else (1, 1)
    voters = ",".join(f"{other.node_id}@{HOST}:{other.controller_port}" for other in nodes)
    return {
        "process.roles": "broker,controller",
        "node.id": str(node.node_id),
        "controller.quorum.voters": voters,
        "listeners": f"{listener}://{HOST}:{node.broker_port},CONTROLLER://{HOST}:{node.controller_port}",
        "advertised.listeners": f"{listener}://{HOST}:{node.broker_port}",
        **(protocols if security is None else security.properties()),
        "controller.listener.names": "CONTROLLER",
        "log.dirs": str(log_dir),
        "auto.create.topics.enable": "false",
        "default.replication.factor": str(copies),
        "min.insync.replicas": str(acknowledging),
        "offsets.topic.num.partitions": "1",
        "offsets.topic.replication.factor": str(copies),
        "transaction.state.log.num.partitions": "1",
        "transaction.state.log.replication.factor": str(copies),
        "transaction.state.log.min.isr": str(acknowledging),
        "share.coordinator.state.topic.num.partitions": "1",
        "share.coordinator.state.topic.replication.factor": str(copies),
        "share.coordinator.state.topic.min.isr": str(acknowledging),
        "group.initial.rebalance.delay.ms": "0",
        "group.min.session.timeout.ms": "1000",
        "num.network.threads": "2",
        "num.io.threads": "2",
        "log.segment.bytes": str(32 * 1024 * 1024),
        "log.cleaner.dedupe.buffer.size": str(4 * 1024 * 1024),  # the default, 128 MB, does not fit the heap
        **_QUICK_FAILOVER,
    }


# A killed broker is noticed within two seconds rather than nine, and one that comes back is let in as soon.
_QUICK_FAILOVER = {
    "broker.session.timeout.ms": "2000",
    "broker.heartbeat.interval.ms": "400",
    "controller.quorum.election.timeout.ms": "500",
    "controller.quorum.fetch.timeout.ms": "1000",
    "controller.quorum.request.timeout.ms": "1000",
    "replica.lag.time.max.ms": "3000",
}


def log_properties(log_path: Path) -> dict[str, str]:
    """Log4j 2's settings: everything into a file that rolls, errors to the console as well."""
    layout = "[%d] %p %c{1}: %m%n"
    return {
        "status": "warn",
        "appender.file.type": "RollingFile",
        "appender.file.name": "file",
        "appender.file.fileName": str(log_path),
        "appender.file.filePattern": f"{log_path}.%i",
        "appender.file.layout.type": "PatternLayout",
        "appender.file.layout.pattern": layout,
        "appender.file.policies.type": "Policies",
        "appender.file.policies.size.type": "SizeBasedTriggeringPolicy",
        "appender.file.policies.size.size": "10MB",
        "appender.file.strategy.type": "DefaultRolloverStrategy",
        "appender.file.strategy.max": "3",
        "appender.console.type": "Console",
        "appender.console.name": "console",
        "appender.console.layout.type": "PatternLayout",
        "appender.console.layout.pattern": layout,
        "appender.console.filter.threshold.type": "ThresholdFilter",
        "appender.console.filter.threshold.level": "error",
        "rootLogger.level": "info",
        "rootLogger.appenderRef.file.ref": "file",
        "rootLogger.appenderRef.console.ref": "console",
    }


def render(properties: dict[str, str]) -> str:
    """The text of a Java properties file (`java.util.Properties.load`)."""
    return "".join(f"{name}={_escape(value)}\n" for name, value in properties.items())


def _escape(value: str) -> str:
    # The file is read as Latin-1: a backslash and whatever is not printable ASCII are written as escapes.
    units = value.encode("utf-16-be")
    escaped = []
    for position in range(0, len(units), 2):
        unit = int.from_bytes(units[position : position + 2], "big")
        if unit == ord("\\"):
            escaped.append("\\\\")
        elif 0x20 < unit < 0x7F or (unit == 0x20 and position > 0):
            escaped.append(chr(unit))
        else:
            escaped.append(f"\\u{unit:04x}")
    return "".join(escaped)
