"""The commands of an image need no more than the image holds."""

import json
import os
import subprocess
import sys
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.utils import canonicalize_name
from supply.parts import python_parts

from steno.settings import SERVICES

IMAGE = """
import contextlib, importlib.metadata, io, json, sys

held, foreign, commands = (set(json.loads(sys.argv[1])), set(json.loads(sys.argv[2])), json.loads(sys.argv[3]))

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in foreign:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Blocked())
everywhere = importlib.metadata.entry_points
importlib.metadata.entry_points = lambda **about: [entry for entry in everywhere(**about) if entry.dist.name in held]
from steno.cli.__main__ import main

said = []
for command in commands:
    sys.argv, printed = ["steno", *command.split()], io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
        try:
            main()
        except SystemExit as end:
            said.append((end.code or 0, printed.getvalue()))
print(json.dumps(said))
"""


@cache
def modules_there() -> dict[str, list[str]]:
    """By module, the packages installed here that bring it."""
    return {module: [canonicalize_name(name) for name in names] for module, names in packages_distributions().items()}


def steno(service: str, folder: Path, *commands: str) -> list[tuple[int, str]]:
    """Runs `steno` as in the image of a service, where what is installed here beyond that is not there: status and output."""
    held = {"steno", f"steno-{service}", *(part.name for part in python_parts([f"steno-{service}"]))}
    own = ("steno", f"steno_{service}")
    foreign = [module for module, names in modules_there().items() if not held.intersection(names) and module not in own]
    foreign += [f"steno_{other}" for other in SERVICES if other != service]
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("STENO_", "KAFKA_"))},
        "COLUMNS": "200",
        "STENO_CACHE": str(folder / "cache"),
        "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1",
    }
    if service in ("ingest", "notifier"):
        prefix = f"STENO_{service.upper()}_"
        environment |= {f"{prefix}DATABASE_URL": f"sqlite:///{folder}/rows.db", f"{prefix}SECRET_KEY": "A" * 43 + "="}
    program = [sys.executable, "-c", IMAGE, json.dumps(sorted(held)), json.dumps(foreign), json.dumps(commands)]
    ran = subprocess.run(program, cwd=folder, env=environment, capture_output=True, text=True, timeout=100, check=False)
    assert ran.returncode == 0, ran.stderr
    return [(status, output) for status, output in json.loads(ran.stdout)]


OF_SERVICES = {
    "ingest": {"ingest migrate": "up to date"},
    "notifier": {"notifier migrate": "up to date"},
    "transcriber": {"models list": "tiny.en"},
    "enricher": {},
}
ELSEWHERE = ("up --demo", "submit call.wav", "call call.wav --as twilio", "calls", "show x --json", "ledger")


@pytest.mark.parametrize("service", SERVICES)
def test_what_an_image_needs_works_in_it(service: str, tmp_path: Path) -> None:
    """Topics, keys, tables, models and the doctor, without the other services; a command that needs more says what."""
    wanted = {
        "topics list": "steno.call-audio",
        "dead-letters --help": "redrive",
        "watch --help": "steno watch",
        f"keys add somebody --file {tmp_path}/keys": "",
        **OF_SERVICES[service],
    }
    said = steno(service, tmp_path, *wanted, *wanted, *ELSEWHERE, "doctor")
    for (status, output), text in zip(said, [*wanted.values()] * 2, strict=False):
        assert (status, text in output) == (0, True), output
    *said, (status, output) = said
    assert (status, "127.0.0.1:1: no connection" in output, f"settings of {service}" in output) == (2, True, False), output
    for (status, output), command in zip(said[2 * len(wanted) :], ELSEWHERE, strict=True):
        assert status == 1
        assert f"`steno {command.split()[0]}` needs " in output
        assert "steno[suite]" in output
    assert len((tmp_path / "keys").read_text().splitlines()) == 2
