"""Prepares the data folder of a cluster on this machine, and the command that starts each broker.

```
DATA/cluster.json          the cluster's id, and the ports of each node
DATA/1/lock                held by the broker while it runs
DATA/1/server.properties   written anew by each `prepare`
DATA/1/log4j2.properties
DATA/1/broker.log          the broker's own log, rolled at 10 MB
DATA/1/kafka/              the records
DATA/2/…
```

All of it is private to the user that runs the broker: it holds what was said in calls.
"""

import base64
import json
import os
import subprocess
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path

from steno import locked_child, private_files
from steno.broker import jars, startup_cache
from steno.broker.errors import BrokerError, BrokerFailed, DataFolderInUse
from steno.broker.properties import JVM_FLAGS, SHORT_LIVED_FLAGS, Node, log_properties, render, server_properties
from steno.broker.runtime import find_java
from steno.broker.security import BrokerSecurity
from steno.local_ports import free_port, is_free


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerCommand:
    """The command that starts one broker of a prepared data folder, any number of times.

    The broker's process is the one that `argv` starts (it replaces itself, the process id stays). It must be started by the
    process that prepared the folder, and on Linux it is killed when the *thread* that started it ends, so that no broker
    outlives its supervisor: start it from the main thread.

    Attributes:
        argv: the command line.
        env: its whole environment.
        bootstrap_servers: addresses of all brokers of the cluster, by commas.
        node_id: which of them this one is, from 1.
        log_path: the broker's own log; what it writes to its output is for before that log exists.
    """

    argv: tuple[str, ...]
    env: dict[str, str]
    bootstrap_servers: str
    node_id: int
    log_path: Path


def prepare(data: Path, *, java: str | None = None, progress: jars.Progress | None = None) -> BrokerCommand:
    """Makes a data folder ready for one broker: see `prepare_cluster`."""
    return prepare_cluster(data, brokers=1, java=java, progress=progress)[0]


def prepare_cluster(
    data: Path,
    *,
    brokers: int,
    java: str | None = None,
    progress: jars.Progress | None = None,
    security: BrokerSecurity | None = None,
) -> tuple[BrokerCommand, ...]:
    """Makes a data folder ready: finds Java, fetches and verifies the jars, chooses ports, formats what is new.

    A folder that was used before keeps its records, its cluster id, and its ports where they are still free. It blocks (the
    jars, 43 MB, are fetched the first time; formatting takes half a second): call it from a thread.

    Args:
        data: the folder, made when missing.
        brokers: 1, or 3 for a cluster that survives the loss of one.
        java: see `find_java`.
        progress: told about the jars that are fetched.
        security: what protects the cluster; without it, whoever reaches a port of loopback may do anything.

    Raises:
        JavaNotFound, JarsUnavailable: as `find_java` and `jars.fetch`.
        DataFolderInUse: a broker runs on the folder.
        BrokerFailed: the folder cannot be formatted.
        BrokerError: the folder holds a cluster of another size, or is not one.
    """
    if brokers not in (1, 3):
        raise BrokerError(f"a cluster on one machine has 1 or 3 brokers, not {brokers}")
    data = data.absolute()
    private_files.make_folder(data)
    found = find_java(java)
    files = jars.fetch(progress=progress)
    classpath = os.pathsep.join(map(str, files))
    program = (str(found), *startup_cache.flags(found, files))
    with ExitStack() as held:
        for node_id in range(1, brokers + 1):
            private_files.make_folder(data / str(node_id))
            lock_file = data / str(node_id) / "lock"
            descriptor = locked_child.lock(lock_file)
            if descriptor is None:
                raise DataFolderInUse(locked_child.in_use(lock_file))
            held.callback(os.close, descriptor)
        cluster_id, nodes = _cluster(data, brokers)
        for node in nodes:
            folder = data / str(node.node_id)
            properties = server_properties(node, nodes, folder / "kafka", security)
            private_files.write(folder / "server.properties", render(properties))
            private_files.write(folder / "log4j2.properties", render(log_properties(folder / "broker.log")))
        with ThreadPoolExecutor() as pool:
            users = () if security is None else security.format_options()
            formats = [pool.submit(_format, data / str(node.node_id), cluster_id, program, classpath, users) for node in nodes]
            for formatted in formats:
                formatted.result()
    servers = ",".join(node.address for node in nodes)
    started = program if security is None else (*program, *security.java_flags())
    return tuple(_command(data / str(node.node_id), node, servers, started, classpath) for node in nodes)


def _command(folder: Path, node: Node, servers: str, java: tuple[str, ...], classpath: str) -> BrokerCommand:
    logging = f"-Dlog4j2.configurationFile={(folder / 'log4j2.properties').as_uri()}"
    program = (*java, *JVM_FLAGS, logging, "kafka.Kafka", str(folder / "server.properties"))
    return BrokerCommand(
        argv=locked_child.command_line(program, folder / "lock"),
        env=_environment(classpath),
        bootstrap_servers=servers,
        node_id=node.node_id,
        log_path=folder / "broker.log",
    )


def _environment(classpath: str) -> dict[str, str]:
    # The class path goes by the environment: so many paths would drown the command line that people look at.
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR") if name in os.environ}
    return {**kept, "CLASSPATH": classpath}


def _format(folder: Path, cluster_id: str, java: tuple[str, ...], classpath: str, users: tuple[str, ...]) -> None:
    if (folder / "kafka" / "meta.properties").exists():  # the last file that formatting writes
        return
    properties = str(folder / "server.properties")
    # As one word: an id may begin with "-" (KAFKA-15754).
    arguments = ("format", f"--cluster-id={cluster_id}", "--ignore-formatted", "--config", properties, *users)
    done = subprocess.run(
        [*java, *SHORT_LIVED_FLAGS, "kafka.tools.StorageTool", *arguments],
        env=_environment(classpath),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
        check=False,
        umask=private_files.UMASK,
    )
    if done.returncode != 0:
        raise BrokerFailed(f"{folder} could not be formatted for Kafka:\n{done.stdout.strip()}")


def _cluster(data: Path, brokers: int) -> tuple[str, tuple[Node, ...]]:
    """The id and the nodes of the cluster in the folder, or of a new one; ports that were taken meanwhile are replaced."""
    path = data / "cluster.json"
    if path.exists():
        try:
            known = json.loads(path.read_text())
            cluster_id, nodes = str(known["cluster_id"]), tuple(Node(**node) for node in known["nodes"])
        except (ValueError, KeyError, TypeError) as error:
            raise BrokerError(f"{path} is damaged ({error!r}); restore it, or choose another data folder") from error
        if len(nodes) != brokers:
            raise BrokerError(f"{data} holds a cluster of {len(nodes)}, not of {brokers}; choose another data folder")
        if all(is_free(port) for node in nodes for port in (node.broker_port, node.controller_port)):
            return cluster_id, nodes
    else:
        cluster_id = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
    ports: list[int] = []
    while len(ports) < 2 * brokers:
        ports.append(free_port(other_than=ports))
    nodes = tuple(
        Node(node_id=node_id, broker_port=ports.pop(), controller_port=ports.pop()) for node_id in range(1, brokers + 1)
    )
    private_files.write(path, json.dumps({"cluster_id": cluster_id, "nodes": [asdict(node) for node in nodes]}, indent=2))
    return cluster_id, nodes
