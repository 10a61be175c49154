"""The notifier as a process."""

import asyncio
from pathlib import Path
from typing import Any

from support.service_process import ServiceProcess

from steno.http.auth import key_line, make_key

PARTITIONS = 2


class NotifierProcess(ServiceProcess):
    """Runs `python -m steno_notifier` with its own database, inside the block."""

    def __init__(self, folder: Path, servers: str, prefix: str, secret_key: str, **environment: str) -> None:
        key = make_key()
        (folder / "keys").write_text(key_line("test", key, tenant="*"), "utf-8")
        super().__init__(
            "notifier",
            servers=servers,
            prefix=prefix,
            partitions=PARTITIONS,
            key=key,
            environment={
                "STENO_NOTIFIER_SECRET_KEY": secret_key,
                "STENO_NOTIFIER_API_KEYS_FILE": str(folder / "keys"),
                "STENO_NOTIFIER_DATABASE_URL": f"sqlite:///{folder}/notifier.db",
                "STENO_NOTIFIER_ALLOWED_NETWORKS": "127.0.0.0/8,::1/128",
                "STENO_NOTIFIER_RETRY_SECONDS": "0.2,0.2",
                "STENO_NOTIFIER_DRAIN_SECONDS": "10",
                **environment,
            },
        )

    async def deliveries(self, **parameters: str) -> list[Any]:
        """Lists deliveries."""
        status, answer = await self.request("GET", "/v1/deliveries", params=parameters)
        assert status == 200, answer
        listed: list[Any] = answer["items"]
        return listed

    async def settled(self, **parameters: str) -> list[Any]:
        """Waits until all deliveries have ended, and lists them."""
        async with asyncio.timeout(60):
            while True:
                listed = await self.deliveries(**parameters)
                if listed and all(entry["due_at"] is None for entry in listed):
                    return listed
                await asyncio.sleep(0.05)
