"""The suite on one machine: its programs, their settings, and the order in which they start and stop.

```
DATA/run.json     addresses and processes (see run_file)
DATA/api-key      the key of this machine's user        DATA/api-keys   digests of all keys
DATA/secret-key   encrypts webhook secrets              DATA/ports.json the services' ports, kept over restarts
DATA/twilio-auth-tokens and DATA/audiohook-keys   what clients of these protocols sign with
DATA/broker/      Kafka                                 DATA/objects/   recordings and result documents
DATA/ingest.db    the ledger                            DATA/logs/      what each process writes
```
"""

import asyncio
import json
import os
import secrets
import sys
import time
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import aiohttp

from steno import locked_child, private_files
from steno.broker import prepare, wait_ready
from steno.cli import run_file
from steno.cli.key_store import add_key, grant_all_tenants
from steno.cli.run_file import RunningProcess
from steno.cli.service_environment import caller_secrets, service_environment
from steno.cli.supervisor import Program, Supervisor
from steno.crypto import make_secret_key
from steno.local_ports import HOST, free_port, is_free
from steno.settings import SERVICES
from steno.tenants import ALL_TENANTS

BROKER = "broker"
_READY_SECONDS = 120
_LOG_TAIL_LINES = 15
_TELL_EVERY_SECONDS = 2.0
_ENDS_AT_START = 3
"""How often a program may end while it starts before the start is given up."""

_OURS = (
    *("run.json*", "ports.json*", "api-key", "api-keys", "secret-key", "twilio-auth-tokens", "audiohook-keys"),
    *(BROKER, "objects", "logs", "*.db", "*.db-wal", "*.db-shm", "*.lock"),
)
"""The files of the suite in the data folder. Only these and the folder itself are made private, as it may be any folder."""

Report = Callable[[str], None]


class SuiteError(Exception):
    """The suite cannot run; the message is for a person."""


class Suite:
    """All processes that `steno up` runs on one data folder."""

    def __init__(self, data: Path, *, allow_loopback_webhooks: bool = False) -> None:
        """`allow_loopback_webhooks` lets webhooks reach this machine itself, which the demo's receiver needs."""
        self.data = data.absolute()
        self.kafka = os.environ.get("KAFKA_BOOTSTRAP_SERVERS", "")
        self.urls: dict[str, str] = {}
        self._allow_loopback_webhooks = allow_loopback_webhooks
        self._supervisor = Supervisor(self._write_run_file)
        self._own_broker = not self.kafka

    @property
    def api_key_file(self) -> Path:
        """The file with the API key of this machine's user."""
        return self.data / "api-key"

    async def start(self, report: Report) -> None:
        """Starts all processes and returns when they are ready.

        Raises:
            SuiteError: a process did not become ready in time; the message has the end of its log.
            steno.broker.BrokerError: the broker cannot run.
        """
        private_files.make_folder(self.data)
        await asyncio.to_thread(private_files.make_private, [path for pattern in _OURS for path in self.data.glob(pattern)])
        private_files.make_folder(self.data / "logs")
        self._make_keys()
        if self._own_broker:
            await self._start_broker(report)
        # The services start at the same time as Kafka and wait for it, since their own start takes as long.
        ports = _choose_ports(self.data / "ports.json")
        self.urls = {name: f"{_scheme(name)}://{HOST}:{ports[name]}" for name in SERVICES}
        for name in SERVICES:
            await self._supervisor.start(self._service(name, ports[name]))
        if self._own_broker:
            await wait_ready(self.kafka, check=lambda: self._check(BROKER))
            report(f"Kafka is ready at {self.kafka}")
        # Only their health is checked, and they are child processes, so their certificates need not be verified.
        trusting = aiohttp.TCPConnector(ssl=False)
        async with aiohttp.ClientSession(connector=trusting, timeout=aiohttp.ClientTimeout(total=2)) as session:
            await asyncio.gather(*(self._wait_ready(session, name, report) for name in SERVICES))

    async def stop(self) -> None:
        """Stops all processes in order: ingest first, Kafka last."""
        for names in (["ingest"], ["transcriber", "enricher", "notifier"], [BROKER]):
            await self._supervisor.stop(names)

    async def _start_broker(self, report: Report) -> None:
        report("Kafka is starting")
        command = await asyncio.to_thread(prepare, self.data / BROKER, progress=_DownloadProgress(report))
        self.kafka = command.bootstrap_servers
        await self._supervisor.start(
            Program(
                name=BROKER,
                argv=command.argv,
                env=command.env,
                log_path=self.data / "logs" / f"{BROKER}.log",
                stop_seconds=30,
            )
        )

    def _service(self, name: str, port: int) -> Program:
        return Program(
            name=name,
            argv=locked_child.command_line((sys.executable, "-m", f"steno_{name}"), self.data / f"{name}.lock"),
            env=service_environment(
                name,
                self.data,
                kafka=self.kafka,
                port=port,
                public_url=self.urls["ingest"],
                allow_loopback_webhooks=self._allow_loopback_webhooks,
            ),
            log_path=self.data / "logs" / f"{name}.log",
            stop_seconds=45,
        )

    def _make_keys(self) -> None:
        keys, mine = self.data / "api-keys", self.api_key_file
        # One that was revoked is replaced by another.
        if not (mine.exists() and grant_all_tenants(keys, mine.read_text("utf-8").strip())):
            private_files.write(mine, add_key(keys, "local", tenant=ALL_TENANTS))
        secret_key = self.data / "secret-key"
        if not secret_key.exists():
            private_files.write(secret_key, make_secret_key())
        audiohook_secret = b64encode(secrets.token_bytes(32)).decode("ascii")
        made = {"twilio_auth_tokens_file": secrets.token_hex(16), "audiohook_keys_file": f"{uuid4()} {audiohook_secret}"}
        for name, path in caller_secrets(self.data).items():
            if not path.exists():
                private_files.write(path, made[name] + "\n")

    def _write_run_file(self) -> None:
        names = [BROKER, *self.urls] if self._own_broker else [*self.urls]
        processes = {name: RunningProcess(pid=self._supervisor.pid(name), url=self.urls.get(name)) for name in names}
        files = {"api_key_file": self.api_key_file, **caller_secrets(self.data)}
        run_file.write(self.data, kafka=self.kafka, processes=processes, secrets=files)

    async def _wait_ready(self, session: aiohttp.ClientSession, name: str, report: Report) -> None:
        try:
            async with asyncio.timeout(_READY_SECONDS):
                while not await _is_ready(session, _admin_url(name) or self.urls[name]):
                    self._check(name)
                    await asyncio.sleep(0.1)
        except TimeoutError:
            raise SuiteError(f"{name} was not ready after {_READY_SECONDS} s:\n{self._log_tail(name)}") from None
        report(f"{name} is ready at {self.urls[name]}")

    def _check(self, name: str) -> None:
        """Raises `SuiteError` where a program ends again and again instead of becoming ready."""
        if self._supervisor.restarts.get(name, 0) >= _ENDS_AT_START:
            raise SuiteError(f"{name} keeps ending:\n{self._log_tail(name)}")

    def _log_tail(self, name: str) -> str:
        lines = (self.data / "logs" / f"{name}.log").read_text("utf-8", "replace").splitlines()
        return "\n".join(lines[-_LOG_TAIL_LINES:])


class _DownloadProgress:
    """Reports every two seconds how many megabytes were downloaded; called from threads."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._told_at = time.monotonic()

    def __call__(self, done: int, total: int) -> None:
        if (now := time.monotonic()) - self._told_at >= _TELL_EVERY_SECONDS:
            self._told_at = now
            self._report(f"fetching Kafka: {done / 1e6:.0f} of {total / 1e6:.0f} MB")


def _scheme(name: str) -> str:
    return "https" if os.environ.get(f"STENO_{name.upper()}_TLS_CERTIFICATE_FILE") else "http"


def _admin_url(name: str) -> str:
    """The URL of a service's admin port, where one is set: it asks for no client certificates."""
    prefix = f"STENO_{name.upper()}_ADMIN_"
    port = os.environ.get(f"{prefix}PORT", "0")
    return "" if port == "0" else f"{_scheme(name)}://{os.environ.get(f'{prefix}HOST', HOST)}:{port}"


async def _is_ready(session: aiohttp.ClientSession, url: str) -> bool:
    try:
        async with session.get(f"{url}/health/ready") as response:
            return response.status == 200
    except (aiohttp.ClientError, TimeoutError):
        return False


def _choose_ports(path: Path) -> dict[str, int]:
    """Chooses a port for each service: the one it had before, where that is free, so that its URL stays the same."""
    known: dict[str, int] = json.loads(path.read_text("utf-8")) if path.exists() else {}
    ports: dict[str, int] = {}
    for name in SERVICES:
        before, taken = known.get(name), ports.values()
        ports[name] = before if before and before not in taken and is_free(before) else free_port(other_than=taken)
    private_files.write(path, json.dumps(ports) + "\n")
    return ports
