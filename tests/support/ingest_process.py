"""Ingest as a process."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import aiohttp
from support.service_process import ServiceProcess

from steno.crypto import make_secret_key
from steno.http.auth import key_line

KEY = "steno_test"
PARTITIONS = 4


async def eventually(found: Callable[[], Awaitable[Any]], *, seconds: float = 30) -> Any:
    """Repeats a request until its result is not empty."""
    async with asyncio.timeout(seconds):
        while not (answer := await found()):
            await asyncio.sleep(0.02)
        return answer


class IngestProcess(ServiceProcess):
    """Runs `python -m steno_ingest` with a folder and a database, inside the block."""

    def __init__(self, servers: str, prefix: str, folder: Path, database_url: str, **settings: str) -> None:
        """
        Args:
            settings: Further settings, by the name behind `STENO_INGEST_`.
        """
        keys = folder / "api-keys"
        keys.write_text(key_line("tester", KEY, tenant="*"), "utf-8")
        super().__init__(
            "ingest",
            servers=servers,
            prefix=prefix,
            partitions=PARTITIONS,
            key=KEY,
            environment={
                "STENO_OBJECTS_URL": (folder / "objects").as_uri(),
                "STENO_INGEST_DATABASE_URL": database_url,
                "STENO_INGEST_API_KEYS_FILE": str(keys),
                "STENO_INGEST_SECRET_KEY": make_secret_key(),
                "STENO_INGEST_DRAIN_SECONDS": "10",
                **{f"STENO_INGEST_{name.upper()}": value for name, value in settings.items()},
            },
        )

    def reach(self, servers: str) -> None:
        """Uses another Kafka from the next start on."""
        self.environment["KAFKA_BOOTSTRAP_SERVERS"] = servers

    async def upload(self, audio: bytes, metadata: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> Any:
        """POSTs a recording; returns the body of the 202."""
        form = aiohttp.FormData()
        form.add_field("file", audio, filename="a.wav", content_type="audio/wav")
        form.add_field("metadata", json.dumps(metadata), content_type="application/json")
        status, answer = await self.request("POST", "/v1/recordings", data=form, headers=headers)
        assert status == 202, answer
        return answer

    async def state(self, recording_id: str) -> str:
        """Returns the state of a recording; empty if there is none."""
        status, answer = await self.request("GET", f"/v1/recordings/{recording_id}")
        return str(answer["state"]) if status == 200 else ""
