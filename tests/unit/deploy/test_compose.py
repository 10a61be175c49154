"""deploy/compose by itself: what it names exists, and what makes its secrets keeps them. `tests/soak/docker` runs it."""

import os
import re
import stat
from pathlib import Path
from typing import Any

import pytest
import yaml
from compose import prepare
from cryptography.fernet import Fernet
from steno_enricher.settings import EnricherSettings
from steno_ingest.settings import IngestSettings
from steno_notifier.settings import NotifierSettings
from steno_transcriber.settings import TranscriberSettings

from steno.secret_settings import file_variables
from steno.settings import SERVICES, variables

FOLDER = Path(__file__).parents[3] / "deploy/compose"
SETTINGS = (IngestSettings, TranscriberSettings, EnricherSettings, NotifierSettings)


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    """The services of compose.yaml."""
    document: dict[str, Any] = yaml.safe_load((FOLDER / "compose.yaml").read_text("utf-8"))
    services: dict[str, Any] = document["services"]
    return services


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the secrets after a first run, whose files could be given to no other user."""
    for name in ("SECRETS", "OBJECTS"):
        (tmp_path / name.lower()).mkdir()
        monkeypatch.setattr(prepare, name, tmp_path / name.lower())
    monkeypatch.setattr(os, "chown", lambda *_: None)
    prepare.main()
    return tmp_path / "secrets"


def test_every_setting_that_is_given_exists(services: dict[str, Any]) -> None:
    """A misspelt one would end its container at the start."""
    known = {"STENO_CACHE"}
    for settings in SETTINGS:
        known |= {*variables(settings), *file_variables(variables(settings))}
    given = {name for service in services.values() for name in service.get("environment", {}) if name.startswith("STENO_")}
    assert given
    assert given <= known


def test_every_file_that_is_mounted_exists(services: dict[str, Any]) -> None:
    """Docker would make an empty folder of it."""
    mounted = {volume.split(":")[0] for service in services.values() for volume in service.get("volumes", ())}
    files = {path for path in mounted if path.startswith("./")}
    assert files
    assert [path for path in files if not (FOLDER / path).is_file()] == []


def test_every_secret_that_is_read_is_made(services: dict[str, Any], made: Path) -> None:
    """Each container finds the files that its environment names in the folder that is mounted for it."""
    read = set()
    for name, service in services.items():
        folders = {
            target: source.rpartition("/")[2]
            for source, target in (
                volume.removesuffix(":ro").rsplit(":", 1) for volume in service.get("volumes", ()) if ":" in volume
            )
        }
        others = tuple(f"STENO_{other.upper()}_" for other in SERVICES if not name.startswith(other))
        own = [value for variable, value in service.get("environment", {}).items() if not variable.startswith(others)]
        for path in re.findall(r"/run/(?:secrets|keys)/[\w-]+", str([own, service.get("command")])):
            parent, _, file = path.rpartition("/")
            read |= {f"{folders[parent]}/{file}"} if parent in folders else set()
    assert read == {str(file.relative_to(made)) for file in made.rglob("*") if file.is_file()}


def test_secrets_that_are_there_are_kept(made: Path) -> None:
    """A second run changes no file, and makes what is missing of what is there."""
    first = {file: (file.read_bytes(), file.stat().st_mtime_ns) for file in made.rglob("*") if file.is_file()}
    (made / "notifier/secret-key").unlink()
    prepare.main()
    assert (made / "notifier/secret-key").read_bytes() == first[made / "ingest/secret-key"][0]
    del first[made / "notifier/secret-key"]
    assert {file: (file.read_bytes(), file.stat().st_mtime_ns) for file in first} == first


def test_secrets_are_usable_and_private(made: Path) -> None:
    """The key is one that services take, and nobody but the owner reads a file or a folder."""
    Fernet((made / "ingest/secret-key").read_bytes())
    assert {stat.S_IMODE(path.stat().st_mode) & 0o077 for path in [made, *made.rglob("*")]} == {0}
