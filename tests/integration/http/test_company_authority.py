"""What the set-up fetches, behind a company's own certificate authority."""

import os
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest
from support.certificates import Authority

FETCHES = {
    "jars": """
from jgo.util import http
from steno.broker import jars
jars._maven(pathlib.Path(sys.argv[2]), jars._Count(0, None))
print(http.get(sys.argv[1]).text)
""",
    "models": """
import urllib.request
print(urllib.request.urlopen(sys.argv[1], timeout=10).read().decode())
""",
}


@pytest.fixture
def company(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """A server whose certificate is by a company's own authority: its URL, and the authority's file."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"fetched")

        def log_message(self, *_arguments: object) -> None:
            """Nothing."""

    authority = Authority(tmp_path)
    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        server.socket = authority.server("127.0.0.1").wrap_socket(server.socket, server_side=True)
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"https://127.0.0.1:{server.server_port}/", authority.file
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("what", FETCHES)
@pytest.mark.parametrize("trusted", [True, False])
def test_what_is_fetched_comes_by_them(company: tuple[str, Path], what: str, trusted: bool, tmp_path: Path) -> None:
    """Behind a company's own authority, once the machine trusts it, and not before."""
    url, file = company
    environment = {name: value for name, value in os.environ.items() if not name.endswith(("_CA_BUNDLE", "SSL_CERT_DIR"))}
    (tmp_path / "other").mkdir()
    environment["SSL_CERT_FILE"] = str(file if trusted else Authority(tmp_path / "other").file)
    program = f"import pathlib, sys\n{FETCHES[what]}"
    command = [sys.executable, "-c", program, url, str(tmp_path)]
    found = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert ("fetched" in found.stdout, "CERTIFICATE_VERIFY_FAILED" in found.stderr) == (trusted, not trusted)
