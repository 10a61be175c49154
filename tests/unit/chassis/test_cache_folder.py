"""Where fetched files are kept."""

from pathlib import Path

import pytest

from steno.cache_folder import cache_folder


def test_the_cache_is_where_the_environment_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """STENO_CACHE first, then the user's cache folder."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("STENO_CACHE", raising=False)
    assert cache_folder() == tmp_path / "steno"
    monkeypatch.setenv("STENO_CACHE", str(tmp_path / "chosen"))
    assert cache_folder() == tmp_path / "chosen"
