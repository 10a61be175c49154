"""Waits until Kafka is ready, which is when a topic can be created, not when its port opens."""

import asyncio
import time
from collections.abc import Callable, Collection, Mapping
from types import MappingProxyType
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError, for_code

from steno.broker.errors import BrokerFailed

_PAUSE_SECONDS = 0.05
_REQUEST_MS = 3000


async def wait_ready(
    bootstrap_servers: str,
    *,
    timeout_seconds: float = 60,
    node_ids: Collection[int] = (),
    check: Callable[[], None] = lambda: None,
    connection: Mapping[str, Any] = MappingProxyType({}),
) -> None:
    """Waits until a topic can be created; it only asks, and creates none.

    Args:
        bootstrap_servers: addresses, host:port, by commas; all of them must answer.
        timeout_seconds: how long to wait at most.
        node_ids: brokers that must be up and let into the cluster; the topic asked for has a copy on each.
        check: called between tries; what it raises ends the waiting (the process is gone, say).
        connection: aiokafka's options of a user who may create a topic; by default, for a cluster without access control.

    Raises:
        BrokerFailed: not ready in time; the message says what was missing.
    """
    deadline = time.monotonic() + timeout_seconds
    while True:
        check()
        amiss = await _unreachable(bootstrap_servers) or await _amiss(bootstrap_servers, node_ids, connection)
        if amiss is None:
            return
        if time.monotonic() >= deadline:
            check()
            raise BrokerFailed(f"Kafka at {bootstrap_servers} was not ready in {timeout_seconds:g} s: {amiss}")
        await asyncio.sleep(_PAUSE_SECONDS)


async def _unreachable(bootstrap_servers: str) -> str | None:
    for server in bootstrap_servers.split(","):
        host, _, port = server.strip().rpartition(":")
        try:
            async with asyncio.timeout(_REQUEST_MS / 1000):
                _, writer = await asyncio.open_connection(host, int(port))
        except OSError as error:
            return f"{server} does not answer ({error or 'no answer in time'})"
        writer.close()
    return None


async def _amiss(bootstrap_servers: str, node_ids: Collection[int], connection: Mapping[str, Any]) -> str | None:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap_servers, request_timeout_ms=_REQUEST_MS, **connection)
    try:
        await admin.start()
        cluster = await admin.describe_cluster()
        if cluster["controller_id"] < 0:
            return "the cluster has no controller yet"
        absent = set(node_ids) - {broker["node_id"] for broker in cluster["brokers"]}
        if absent:
            return f"brokers {sorted(absent)} are not in the cluster yet"
        topic = NewTopic("steno.ready", num_partitions=1, replication_factor=max(1, len(node_ids)))
        answer = await admin.create_topics([topic], timeout_ms=_REQUEST_MS, validate_only=True)
        (error_code,) = (error[1] for error in answer.topic_errors)
        return None if error_code == 0 else f"no topic can be created yet ({for_code(error_code).__name__})"
    except (KafkaError, OSError) as error:
        return f"{type(error).__name__}: {error}"
    finally:
        await admin.close()
