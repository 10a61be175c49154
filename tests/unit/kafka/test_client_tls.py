"""The TLS files of the connection to Kafka: read again when they change, and named when they cannot be used."""

import shutil
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from support.certificates import Authority

from steno.kafka.client import client_options
from steno.kafka.tls import CurrentContext, KafkaTls
from steno.settings import KafkaSettings
from steno.tls_files import TlsFilesUnusable, certificate_facts


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return _authority(tmp_path / "one")


def _authority(folder: Path) -> Authority:
    folder.mkdir()
    return Authority(folder)


def _handshake(client_context: ssl.SSLContext, server_context: ssl.SSLContext) -> bytes | None:
    """Shakes hands without a socket; returns the certificate that the client showed."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = client_context.wrap_bio(to_client, to_server, server_hostname="127.0.0.1")
    server = server_context.wrap_bio(to_server, to_client, server_side=True)
    for _ in range(4):
        for end in (client, server):
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
    return server.getpeercert(True)


def test_new_connections_are_made_by_the_newest_files(tmp_path: Path, authority: Authority) -> None:
    """A client that keeps its context shows the new certificate, and trusts the new CA and the old one no more."""
    time = 0.0
    ca, certificate = tmp_path / "ca.pem", tmp_path / "client.pem"
    shutil.copy(authority.file, ca)
    shutil.copy(authority.pem("ingest"), certificate)
    kafka = KafkaSettings(security_protocol="SSL", ssl_cafile=str(ca), ssl_certfile=str(certificate))
    context = CurrentContext(KafkaTls(kafka, now=lambda: time))
    server = authority.server("127.0.0.1")
    server.load_verify_locations(authority.file)
    server.verify_mode = ssl.CERT_REQUIRED
    first = _handshake(context, server)

    shutil.copy(authority.pem("ingest"), certificate)
    time += 2
    second = _handshake(context, server)
    assert first != second

    shutil.copy(_authority(tmp_path / "other").file, ca)
    time += 2
    with pytest.raises(ssl.SSLCertVerificationError):
        _handshake(context, server)


def test_broken_files_leave_the_old_ones_in_use(tmp_path: Path, authority: Authority) -> None:
    """A half-written certificate breaks no connection of a running service."""
    time = 0.0
    certificate = authority.pem("ingest")
    kafka = KafkaSettings(security_protocol="SSL", ssl_cafile=str(authority.file), ssl_certfile=str(certificate))
    tls = KafkaTls(kafka, now=lambda: time)
    before = tls.context()
    certificate.write_bytes(certificate.read_bytes()[:300])
    time += 2
    assert tls.context() is before


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"ssl_cafile": "nowhere.pem"}, "KAFKA_SSL_CAFILE: nowhere.pem cannot be used"),
        ({"ssl_certfile": "nowhere.pem"}, "KAFKA_SSL_CERTFILE, KAFKA_SSL_KEYFILE: nowhere.pem and the key in it"),
        ({"ssl_keyfile": "nowhere.pem"}, "KAFKA_SSL_CERTFILE, KAFKA_SSL_KEYFILE: .* and nowhere.pem"),
    ],
)
def test_files_that_cannot_be_used_are_named(authority: Authority, changed: dict[str, str], reason: str) -> None:
    """Before any connection is tried."""
    files = {"ssl_cafile": str(authority.file), "ssl_certfile": str(authority.pem("ingest")), **changed}
    kafka = KafkaSettings.model_validate({"security_protocol": "SSL", **files})
    with pytest.raises(TlsFilesUnusable, match=reason):
        client_options(kafka)


def test_a_certificate_tells_whose_it_is_and_when_it_ends(authority: Authority, tmp_path: Path) -> None:
    """Also where its key stands before it; what is no certificate is an error."""
    facts = certificate_facts(authority.pem("ingest", ends=timedelta(hours=2)))
    assert facts.common_name == "ingest"
    assert timedelta(hours=1) < facts.ends_at - datetime.now(UTC) < timedelta(hours=3)
    (tmp_path / "none.pem").write_text("nothing")
    with pytest.raises(OSError, match="PEM"):
        certificate_facts(tmp_path / "none.pem")


def test_all_clients_of_a_process_share_their_files(authority: Authority) -> None:
    """They are read once, not by each client."""
    options = [client_options(KafkaSettings(security_protocol="SSL", ssl_cafile=str(authority.file))) for _ in range(2)]
    assert options[0]["ssl_context"] is options[1]["ssl_context"]
