"""Each service installs from wheels into an environment of its own, as on a machine that runs nothing else."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from supply.parts import python_parts

from steno.settings import SERVICES

ROOT = Path(__file__).parents[3]
UV = Path(sys.executable).with_name("uv")
LOCK = ROOT / "requirements.lock"

LOOK = """
import importlib, importlib.util, json, sys
importlib.import_module(f"steno_{sys.argv[1]}.service")
from steno.events.catalogue import catalogue
from steno.events.schemas import ShippedSchemaIds, frozen_schemas
print(json.dumps({
    "services": [name for name in sys.argv[2:] if importlib.util.find_spec(f"steno_{name}")],
    "from": sys.modules["steno"].__file__,
    "phrases": len(frozen_schemas("Phrase")),
    "topics": sorted(catalogue()),
}))
"""


def run(*command: str | Path, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """A program that sees nothing of this environment's settings and sources."""
    clean = {
        name: value for name, value in os.environ.items() if not name.startswith(("STENO_", "KAFKA_", "PYTHON", "VIRTUAL_"))
    }
    return subprocess.run(
        command, cwd=cwd, env={**clean, **environment}, capture_output=True, text=True, timeout=170, check=False
    )


def wheel(package: Path, folder: Path) -> Path:
    """The package's wheel, built with what is installed here."""
    built = run(sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", folder, cwd=package)
    assert built.returncode == 0, built.stderr
    (path,) = folder.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def shared_wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of what the services share."""
    return wheel(ROOT, tmp_path_factory.mktemp("steno"))


@pytest.fixture(params=SERVICES)
def service(request: pytest.FixtureRequest) -> str:
    """One service after the other."""
    name: str = request.param
    return name


@pytest.fixture
def python(service: str, shared_wheel: Path, tmp_path: Path) -> Path:
    """The Python of an environment that holds the service and what it depends on, at the versions of the lock."""
    wheels = (shared_wheel, wheel(ROOT / "services" / service, tmp_path / "wheel"))
    path = tmp_path / "venv" / "bin" / "python"
    made = run(UV, "venv", "--quiet", "--python", sys.executable, tmp_path / "venv", cwd=tmp_path)
    assert made.returncode == 0, made.stderr
    limits = ("--constraint", LOCK, "--build-constraint", LOCK)
    installed = run(UV, "pip", "install", "--quiet", "--python", path, *limits, *wheels, cwd=tmp_path)
    if installed.returncode != 0:
        pytest.fail(
            f"steno-{service} does not install alone. Either its dependencies do not resolve, or neither uv's cache nor the "
            f"package index has them:\n{installed.stderr}",
            pytrace=False,
        )
    return path


@pytest.mark.timeout(180)
def test_a_service_installs_alone(service: str, python: Path, tmp_path: Path) -> None:
    """It imports with what it names, carries the schemas and no other service, names a wrong setting; its parts are listed."""
    looked = run(python, "-c", LOOK, service, *SERVICES, cwd=tmp_path)
    assert looked.returncode == 0, looked.stderr
    found = json.loads(looked.stdout)
    assert Path(found["from"]).is_relative_to(tmp_path)
    assert found["services"] == [service]
    assert found["phrases"] >= 1
    assert {"recordings", "phrases", "transcripts"} <= set(found["topics"])

    commanded = run(python.with_name("steno"), "topics", "list", cwd=tmp_path, COLUMNS="200")
    assert (commanded.returncode, "call-audio" in commanded.stdout) == (0, True), commanded.stderr

    variable = f"STENO_{service.upper()}_HTTP_PORT"
    started = run(python, "-m", f"steno_{service}", cwd=tmp_path, **{variable: "many"})
    assert started.returncode == 2, started.stderr
    assert variable in started.stdout

    if sys.version_info[:2] == (3, 11) and sys.platform == "linux":  # as in the images, whose parts are listed
        there = json.loads(run(UV, "pip", "list", "--format", "json", "--python", python, cwd=tmp_path).stdout)
        installed = {entry["name"]: entry["version"] for entry in there if not entry["name"].startswith("steno")}
        assert installed == {part.name: part.version for part in python_parts([f"steno-{service}"])}
