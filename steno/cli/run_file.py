"""Reads and writes `DIR/run.json`: the addresses and processes of a running suite, for scripts and other commands.

```json
{"kafka": "127.0.0.1:23456",
 "services": {"ingest": {"url": "http://127.0.0.1:24567", "pid": 4711}, "broker": {"pid": 4700}},
 "api_key_file": "DIR/api-key",
 "twilio_auth_tokens_file": "DIR/twilio-auth-tokens", "audiohook_keys_file": "DIR/audiohook-keys"}
```
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from steno import private_files

NAME = "run.json"


@dataclass(frozen=True, kw_only=True, slots=True)
class RunningProcess:
    """A process of the suite; `url` where it has an HTTP server."""

    pid: int | None
    url: str | None = None


def write(data: Path, *, kafka: str, processes: dict[str, RunningProcess], secrets: dict[str, Path]) -> None:
    """Replaces the file atomically. `secrets` are the paths of secrets files, by their names in the document."""
    services: dict[str, dict[str, Any]] = {
        name: {"pid": process.pid} | ({"url": process.url} if process.url else {}) for name, process in processes.items()
    }
    document = {"kafka": kafka, "services": services} | {name: str(path) for name, path in secrets.items()}
    private_files.write(data / NAME, json.dumps(document, indent=2) + "\n")


def read(data: Path) -> dict[str, Any]:
    """Reads the document of a data folder.

    Raises:
        FileNotFoundError: no suite was ever started there.
    """
    document: dict[str, Any] = json.loads((data / NAME).read_text("utf-8"))
    return document
