"""Finds free TCP ports for programs that only this machine reaches."""

import random
import socket
from collections.abc import Collection

HOST = "127.0.0.1"

# Below the range the kernel takes the ports of outgoing connections from: a client that keeps trying the port of a server that
# is down could otherwise be given that very port for its own end, and the server could not come back.
_PORTS = range(20_000, 32_000)


def free_port(*, other_than: Collection[int] = ()) -> int:
    """A port of `HOST` that nobody listens at, other than those."""
    while True:
        port = random.choice(_PORTS)  # noqa: S311 - not a secret
        if port not in other_than and is_free(port):
            return port


def is_free(port: int) -> bool:
    """Whether a server could listen at this port of `HOST` now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as Kafka does: a port that lingers is free
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True
