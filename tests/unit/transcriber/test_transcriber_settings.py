"""What the transcriber reads from its environment."""

import os
from ipaddress import ip_network
from pathlib import Path

import pytest
from steno_transcriber.settings import TranscriberSettings

from steno.settings import SettingsError, masked, read


def test_lists_are_written_with_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    """Folders and networks, as a person would write them."""
    monkeypatch.setenv("STENO_TRANSCRIBER_FILE_FOLDERS", "/calls/old, /calls/new")
    monkeypatch.setenv("STENO_TRANSCRIBER_ALLOWED_NETWORKS", "127.0.0.0/8,10.1.0.0/16")
    settings = read(TranscriberSettings)
    assert settings.file_folders == (Path("/calls/old"), Path("/calls/new"))
    assert settings.allowed_networks == (ip_network("127.0.0.0/8"), ip_network("10.1.0.0/16"))
    assert masked(settings)["allowed_networks"] == ["127.0.0.0/8", "10.1.0.0/16"]


def test_nothing_inside_is_open_by_default() -> None:
    """No folder and no network: each is named by whoever runs it."""
    settings = read(TranscriberSettings)
    assert (settings.file_folders, settings.allowed_networks) == ((), ())


@pytest.mark.parametrize(
    ("name", "value"),
    [("ALLOWED_NETWORKS", "localhost"), ("ENGINE", "sphinx"), ("THREADS", "-1"), ("FETCH_ATTEMPTS", "0"), ("WORK", "call")],
)
def test_a_wrong_value_is_named(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    """The message has the variable in it."""
    monkeypatch.setenv(f"STENO_TRANSCRIBER_{name}", value)
    with pytest.raises(SettingsError, match=f"STENO_TRANSCRIBER_{name}"):
        read(TranscriberSettings)


def test_zero_threads_are_as_many_as_processors(monkeypatch: pytest.MonkeyPatch) -> None:
    """And one recording more than threads is decoded at once, so that none idles between two."""
    monkeypatch.setattr(os, "cpu_count", lambda: 6)
    settings = read(TranscriberSettings)
    assert (settings.decode_threads, settings.decoding_at_once) == (6, 7)


def test_threads_and_concurrency_can_be_given(monkeypatch: pytest.MonkeyPatch) -> None:
    """They win over the number of processors."""
    monkeypatch.setenv("STENO_TRANSCRIBER_THREADS", "3")
    monkeypatch.setenv("STENO_TRANSCRIBER_CONCURRENCY", "2")
    settings = read(TranscriberSettings)
    assert (settings.decode_threads, settings.decoding_at_once) == (3, 2)
