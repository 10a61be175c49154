"""The certificate authorities that the machine trusts."""

from pathlib import Path

import pytest
from support.certificates import Authority

from steno.authorities import authorities


@pytest.fixture
def nothing_told(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.usefixtures("nothing_told")
def test_a_file_that_is_named_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As OpenSSL takes it."""
    file = Authority(tmp_path).file
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    assert authorities() == str(file)


@pytest.mark.usefixtures("nothing_told")
def test_a_folder_counts_that_openssl_can_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One whose files are not named by their hashes has none."""
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))
    (tmp_path / "company.pem").touch()
    assert authorities() == ""
    (tmp_path / "0a1b2c3d.0").touch()
    assert authorities() == str(tmp_path)
