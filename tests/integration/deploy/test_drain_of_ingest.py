"""What the preStop of ingest reads from a real server, with and without TLS."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from kubernetes.base.wait_for_calls import open_calls, read_metrics, wait
from support.certificates import Authority

METRICS = b"steno_ingest_calls_hosted 3.0\n"


class _Metrics(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(METRICS)

    def log_message(self, *_: object) -> None:
        """Says nothing."""


@contextmanager
def serving(folder: Path, *, tls: bool) -> Iterator[int]:
    server = HTTPServer(("127.0.0.1", 0), _Metrics)
    if tls:
        server.socket = Authority(folder).server("ingest.steno.svc").wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize("tls", [False, True])
def test_the_calls_of_this_pod_are_read(tmp_path: Path, tls: bool) -> None:
    """With TLS by whatever name the certificate has: it is asked on loopback."""
    with serving(tmp_path, tls=tls) as port:
        assert open_calls(read_metrics(port, tls=tls)) == 3


@pytest.mark.parametrize("answer", [b"", b"no HTTP\r\n\r\n"], ids=["nothing", "something else"])
def test_what_is_no_service_is_not_waited_for(answer: bytes) -> None:
    """A port where somebody else answers, or nobody, ends the waiting."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            connection.sendall(answer)
            connection.close()

        thread = threading.Thread(target=serve)
        thread.start()
        port = server.getsockname()[1]
        assert wait(lambda: read_metrics(port, tls=False), seconds=60, sleep=lambda _: None) == 0
        thread.join()
