"""By which URLs Azure reads recordings."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from steno_transcriber.azure.audio_urls import AudioUrls
from steno_transcriber.engines.port import EngineUnavailable, Unsupported

from steno.settings import LinkSettings
from steno.storage import links
from steno.storage.objects import ObjectStore

NOW = datetime(2026, 3, 1, tzinfo=UTC)
SECRET = "s" * 32


def made(store: ObjectStore, settings: LinkSettings | None = None) -> AudioUrls:
    return AudioUrls(store, settings or LinkSettings(), valid_for=timedelta(hours=2), clock=lambda: NOW)


async def test_a_recording_with_a_url_of_its_own_goes_as_it_is(tmp_path: Path) -> None:
    """With its query: that may be what opens it."""
    url = "https://calls.example/1.wav?sig=abc"
    assert await made(ObjectStore(tmp_path.as_uri())).of(url) == url


async def test_a_recording_of_a_local_store_is_read_from_ingest(tmp_path: Path) -> None:
    """By a link that is signed, and ends."""
    (tmp_path / "secrets").write_text(SECRET + "\n")
    store = ObjectStore((tmp_path / "objects").as_uri())
    settings = LinkSettings(url="https://steno.example", secret_file=tmp_path / "secrets")
    url = await made(store, settings).of(f"{store.url}/recordings/r/audio.wav")
    assert url.startswith("https://steno.example/signed/recordings/r/audio.wav?")
    query = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
    assert links.is_valid("recordings/r/audio.wav", **query, secrets=(SECRET,), now=NOW)
    assert not links.is_valid("recordings/r/audio.wav", **query, secrets=(SECRET,), now=NOW + timedelta(hours=2))


async def test_without_a_public_url_the_settings_are_named(tmp_path: Path) -> None:
    """The recording waits until they are there."""
    store = ObjectStore(tmp_path.as_uri())
    with pytest.raises(EngineUnavailable, match="STENO_LINKS_URL"):
        await made(store).of(f"{store.url}/recordings/r/audio.wav")


async def test_a_file_of_this_machine_cannot_be_read(tmp_path: Path) -> None:
    """The reason says what to do; the query, which may be secret, is not in it."""
    with pytest.raises(Unsupported, match="file://") as raised:
        await made(ObjectStore(tmp_path.as_uri())).of("file:///calls/1.wav?secret")
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize(
    ("store", "host"),
    [
        ("s3://calls/in", "calls"),
        ("az://calls/in", "account.blob.core.windows.net"),
    ],
)
async def test_a_cloud_store_signs_its_urls(monkeypatch: pytest.MonkeyPatch, store: str, host: str) -> None:
    """For that recording, and a time."""
    for name, value in {
        "AWS_ACCESS_KEY_ID": "id",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_REGION": "eu-west-1",
        "AZURE_STORAGE_ACCOUNT_NAME": "account",
        "AZURE_STORAGE_ACCOUNT_KEY": "c2VjcmV0",
    }.items():
        monkeypatch.setenv(name, value)
    objects = ObjectStore(store)
    url = await made(objects).of(f"{objects.url}/recordings/r/audio.wav")
    parts = urlsplit(url)
    assert parts.scheme == "https"
    assert host in parts.netloc + parts.path
    assert parts.path.endswith("in/recordings/r/audio.wav")
    assert "sig=" in parts.query.lower() or "X-Amz-Signature" in parts.query
    assert "secret" not in url
