"""TLS on the doors, by files that change under running services."""

import asyncio
import io
import os
import ssl
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from cryptography import x509
from support.certificates import Authority
from support.http_server import BOUNDS, KEY, Served, head, served, status_of
from websockets.asyncio.client import connect

from steno.cli.api import ApiAddress, ApiError, IngestUnavailable, connect_api
from steno.http.tls import TlsFiles
from steno.tls_files import TlsFilesUnusable


class _Clock:
    time = 0.0

    def __call__(self) -> float:
        return self.time


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    (tmp_path / "authority").mkdir()
    return Authority(tmp_path / "authority")


@pytest.fixture
def pem(tmp_path: Path, authority: Authority) -> Path:
    """The file of the server's certificate and key, as it is set."""
    file = tmp_path / "server.pem"
    file.write_bytes(authority.pem("127.0.0.1").read_bytes())
    return file


def _trusting(authority: Authority) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(authority.file))


async def _serial(steno: Served, authority: Authority) -> int:
    """The number of the certificate that a new connection is shown."""
    _, writer = await asyncio.open_connection("127.0.0.1", steno.port, ssl=_trusting(authority))
    shown = writer.get_extra_info("ssl_object").getpeercert(True)
    writer.close()
    await writer.wait_closed()
    return x509.load_der_x509_certificate(shown).serial_number


async def test_requests_and_calls_go_over_tls(tmp_path: Path, authority: Authority, pem: Path) -> None:
    """Clients that trust the authority upload, and open WebSockets; those that speak no TLS are closed, and stop nobody."""
    files = TlsFiles(pem, pem)
    async with served(tmp_path, tls=files.context) as steno:
        trusting = _trusting(authority)
        async with aiohttp.ClientSession(headers={"X-Api-Key": KEY}) as session:
            form = aiohttp.FormData()
            form.add_field("file", io.BytesIO(bytes(3_000_000)), filename="a.wav")
            url = f"https://127.0.0.1:{steno.port}"
            async with session.post(f"{url}/upload", data=form, ssl=trusting) as answer:
                assert answer.status == 200
            assert status_of(await steno.ask(head("GET", "/client"))) == 0
            async with session.get(f"{url}/client", ssl=trusting) as answer:
                assert answer.status == 200
        options: dict[str, Any] = {"additional_headers": {"X-Api-Key": KEY}, "ssl": trusting}
        async with connect(f"wss://127.0.0.1:{steno.port}/echo", **options) as call:
            await call.send("a")
            assert await call.recv() == "a"


async def test_a_refused_upload_over_tls_is_answered(tmp_path: Path, authority: Authority, pem: Path) -> None:
    """401 reaches a client that goes on sending, over TLS too."""
    async with served(tmp_path, tls=TlsFiles(pem, pem).context) as steno:
        reader, writer = await asyncio.open_connection("127.0.0.1", steno.port, ssl=_trusting(authority))
        writer.write(head("POST", "/upload", "Content-Length: 5000000", key=None))
        writer.write(bytes(1_000_000))
        async with asyncio.timeout(5):
            assert status_of(await reader.readuntil(b"\r\n\r\n")) == 401
        writer.transport.abort()


async def test_a_new_pair_counts_without_a_restart(tmp_path: Path, authority: Authority, pem: Path) -> None:
    """New connections see the new certificate, those that are open go on; half of a pair changes nothing until it is whole."""
    clock = _Clock()
    files = TlsFiles(pem, pem, now=clock)
    async with served(tmp_path, tls=files.context) as steno:
        first = await _serial(steno, authority)
        options: dict[str, Any] = {"additional_headers": {"X-Api-Key": KEY}, "ssl": _trusting(authority)}
        async with connect(f"wss://127.0.0.1:{steno.port}/echo", **options) as call:
            renewed = authority.pem("127.0.0.1").read_bytes()
            for broken in (
                b"",
                renewed[: len(renewed) // 2],
                renewed.replace(b"CERTIFICATE", b"NOTHING"),
                pem.read_bytes()[:99],
            ):
                pem.write_bytes(broken)
                clock.time += 2
                assert await _serial(steno, authority) == first
            pem.unlink()
            clock.time += 2
            assert await _serial(steno, authority) == first
            pem.write_bytes(renewed)
            clock.time += 2
            assert await _serial(steno, authority) == x509.load_pem_x509_certificate(renewed).serial_number != first
            await call.send("a")
            assert await call.recv() == "a"


async def test_a_link_that_leads_elsewhere_is_a_change(tmp_path: Path, authority: Authority) -> None:
    """Secrets that are mounted change by a link (Kubernetes)."""
    one, two = tmp_path / "one.pem", tmp_path / "two.pem"
    one.write_bytes(authority.pem("127.0.0.1").read_bytes())
    two.write_bytes(authority.pem("127.0.0.1").read_bytes())
    os.utime(two, ns=(one.stat().st_mtime_ns,) * 2)
    link = tmp_path / "tls.pem"
    link.symlink_to(one)
    clock = _Clock()
    files = TlsFiles(link, link, now=clock)
    before = files.context()
    assert files.context() is before
    link.unlink()
    link.symlink_to(two)
    clock.time += 2
    assert files.context() is not before


async def test_clients_show_certificates_where_they_must(tmp_path: Path, authority: Authority, pem: Path) -> None:
    """With authorities of clients set, one without a certificate of theirs gets nothing."""
    files = TlsFiles(pem, pem, authority.file)
    async with served(tmp_path, tls=files.context) as steno:
        url = f"https://127.0.0.1:{steno.port}/client"
        async with aiohttp.ClientSession(headers={"X-Api-Key": KEY}) as session:
            with pytest.raises(aiohttp.ClientError):
                await session.get(url, ssl=_trusting(authority))
            showing = _trusting(authority)
            showing.load_cert_chain(authority.pem("client"))
            async with session.get(url, ssl=showing) as answer:
                assert answer.status == 200


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion")
async def test_old_versions_of_tls_are_refused(tmp_path: Path, authority: Authority, pem: Path) -> None:
    """TLS 1.2 is the oldest that is spoken (RFC 8996)."""
    async with served(tmp_path, tls=TlsFiles(pem, pem).context) as steno:
        old = _trusting(authority)
        old.minimum_version = ssl.TLSVersion.TLSv1
        old.maximum_version = ssl.TLSVersion.TLSv1_1
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await asyncio.open_connection("127.0.0.1", steno.port, ssl=old)
        new = _trusting(authority)
        new.maximum_version = ssl.TLSVersion.TLSv1_2
        _, writer = await asyncio.open_connection("127.0.0.1", steno.port, ssl=new)
        writer.close()
        await writer.wait_closed()


async def test_a_handshake_must_come_in_time(tmp_path: Path, pem: Path) -> None:
    """Who connects and agrees on nothing, or sends half a hello, is closed, and counts until then."""
    async with served(tmp_path, bounds=replace(BOUNDS, head_seconds=0.3), tls=TlsFiles(pem, pem).context) as steno:
        silent = asyncio.create_task(steno.ask())
        half = asyncio.create_task(steno.ask(b"\x16\x03\x01\x02\x00\x01\x00"))
        await asyncio.sleep(0.1)
        assert steno.server.connections.unauthenticated == 2
        async with asyncio.timeout(3):
            await asyncio.gather(silent, half)
            while len(steno.server.connections) > 0:
                await asyncio.sleep(0.02)


@pytest.mark.parametrize("content", [b"", b"nothing", None])
def test_without_a_usable_pair_nothing_starts(tmp_path: Path, content: bytes | None) -> None:
    """A service that could answer nobody says so at once, with the names of the files."""
    file = tmp_path / "server.pem"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(TlsFilesUnusable, match=r"server\.pem"):
        TlsFiles(file, file)


async def test_the_command_line_trusts_a_private_authority(
    tmp_path: Path, authority: Authority, pem: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`steno --ca FILE` and `STENO_CA_FILE` let it talk to a suite of that authority, and without them it does not."""
    async with served(tmp_path, tls=TlsFiles(pem, pem).context) as steno:
        place = ApiAddress(url=f"https://127.0.0.1:{steno.port}", key=KEY)
        async with connect_api(place) as api:
            with pytest.raises(IngestUnavailable, match="certificate"):
                await api._json("GET", "/v1/ledger")
        monkeypatch.setenv("STENO_CA_FILE", str(authority.file))
        async with connect_api(place) as api:
            with pytest.raises(ApiError, match="404"):
                await api._json("GET", "/v1/ledger")
