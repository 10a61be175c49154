"""Waits until this ingest has no more live calls: the preStop of its pod, to which proxies send nothing new any more.

A connection that lasts is not moved when a pod is to end, so the process goes on for as long as calls do. What remains after
`--seconds` ends as at any stop. It runs with Python alone, and never fails: the pod ends in any case.
"""

import argparse
import ssl
import sys
import time
from collections.abc import Callable
from functools import partial
from http.client import HTTPConnection, HTTPException, HTTPSConnection

SETTLE_SECONDS = 5.0
"""Proxies learn of the end of a pod a little late, and calls still come."""

POLL_SECONDS = 2.0


def open_calls(metrics: str) -> float:
    """The calls of this process, from the text of its `/metrics`; 0 where it does not tell."""
    values = [line.split()[-1] for line in metrics.splitlines() if line.startswith("steno_ingest_calls_hosted ")]
    return float(values[0]) if values else 0.0


def wait(
    read: Callable[[], str],
    *,
    seconds: float,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> float:
    """Waits, and returns how many calls are left: 0, or more once `seconds` have passed.

    Args:
        read: Reads the metrics; an `OSError` or `HTTPException` means that there is nothing to wait for.
    """
    until = clock() + seconds
    sleep(SETTLE_SECONDS)
    while True:
        try:
            calls = open_calls(read())
        except (OSError, HTTPException):
            return 0.0
        if not calls or clock() >= until:
            return calls
        sleep(POLL_SECONDS)


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--port", type=int, default=8080)
    parser.add_argument("--tls", action="store_true", help="the port has TLS")
    arguments = parser.parse_args()
    left = wait(lambda: read_metrics(arguments.port, tls=arguments.tls), seconds=arguments.seconds)
    sys.stdout.write(f"{left:g} calls are left\n")


def read_metrics(port: int, *, tls: bool) -> str:
    """The text of `/metrics` of the process on this port of the same pod.

    Raises:
        OSError, HTTPException: nobody answers there, or not as a service of Steno does.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    # The certificate has no name for loopback, where nobody else can listen.
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    kind = partial(HTTPSConnection, context=context) if tls else HTTPConnection
    connection = kind("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/metrics")
        return connection.getresponse().read().decode(errors="replace")
    finally:
        connection.close()


if __name__ == "__main__":
    main()
