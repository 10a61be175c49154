"""Starts and stops a real Kafka on this machine from Python: one broker, or a cluster of three."""

import asyncio
import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from steno import locked_child, private_files
from steno.broker.acls import grant
from steno.broker.data import BrokerCommand, prepare_cluster
from steno.broker.errors import BrokerFailed, DataFolderInUse
from steno.broker.jars import Progress
from steno.broker.ready import wait_ready
from steno.broker.security import BrokerSecurity

_TAIL_LINES = 20
_STOP_SECONDS = 15.0
_POLL_SECONDS = 0.02


class LocalBroker:
    """One broker process of a prepared data folder. It can be started again however it ended."""

    def __init__(self, command: BrokerCommand, security: BrokerSecurity | None = None) -> None:
        self._command = command
        self._connection = {} if security is None else security.connection()
        self._process: subprocess.Popen[bytes] | None = None
        self._launched_at = 0.0

    @property
    def node_id(self) -> int:
        """The id of this broker in its cluster, from 1."""
        return self._command.node_id

    @property
    def address(self) -> str:
        """The address of this broker, host:port."""
        return self._command.bootstrap_servers.split(",")[self.node_id - 1]

    @property
    def log_path(self) -> Path:
        """The path of the broker's own log."""
        return self._command.log_path

    @property
    def pid(self) -> int | None:
        """The id of the running process; None when it does not run."""
        return self._process.pid if self._process and self._process.poll() is None else None

    async def start(self, *, timeout_seconds: float = 60) -> None:
        """Starts the broker and returns when it is part of its cluster and a topic can be created.

        Raises:
            DataFolderInUse: another broker runs on the folder.
            BrokerFailed: it ended or was not ready within `timeout_seconds`; the message ends with its log.
        """
        try:
            await self.launch()
            await wait_ready(
                self.address,
                timeout_seconds=timeout_seconds,
                node_ids=(self.node_id,),
                check=self.check,
                connection=self._connection,
            )
        except BrokerFailed as error:
            await self.kill()
            raise self.explain(error) from error
        except BaseException:
            await self.kill()
            raise

    async def launch(self) -> None:
        """Starts the process and returns when it holds the data folder; no effect on a running one.

        On Linux it dies with the calling thread.

        Raises:
            DataFolderInUse: another broker runs on the folder.
            BrokerFailed: it ended.
        """
        if self.pid is not None:
            return
        self._launched_at = time.time()
        self._process = self._popen()
        # Whoever answers at the address from here on is this process, and none that ran before.
        while locked_child.holder(self._lock_path) != str(self._process.pid):
            self.check()
            await asyncio.sleep(_POLL_SECONDS)

    def _popen(self) -> subprocess.Popen[bytes]:
        with open(self._output_path, "wb", opener=private_files.opener) as output:
            return subprocess.Popen(
                self._command.argv,
                env=self._command.env,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # a Ctrl-C in the terminal is for its owner, who stops it in order
            )

    def check(self) -> None:
        """Raises `BrokerFailed` or `DataFolderInUse` when the launched process has ended."""
        status = self._process.poll() if self._process else None
        if status == locked_child.EX_TEMPFAIL:
            raise DataFolderInUse(self._output_path.read_text(errors="replace").strip())
        if status is not None:
            raise BrokerFailed(f"broker {self.node_id} ended with status {status}")

    def explain(self, error: BrokerFailed) -> BrokerFailed:
        """Adds the end of this broker's output and log to an error."""
        lines = []
        for path in (self._output_path, self.log_path):
            if path.exists() and path.stat().st_mtime >= self._launched_at - 1:
                tail = path.read_text(errors="replace").splitlines()[-_TAIL_LINES:]
                lines += [f"--- the end of {path} ---", *tail] if tail else []
        return BrokerFailed("\n".join([str(error), *lines]))

    async def stop(self, *, seconds: float = _STOP_SECONDS) -> bool:
        """Stops the broker in order, by SIGTERM; kills it when that takes longer. No effect on a stopped one.

        Returns:
            Whether it stopped in order, or had stopped before.
        """
        if self.pid is not None:
            self._signal(signal.SIGTERM)
            self._signal(signal.SIGCONT)  # a paused one would not hear
            try:
                await self._ended(seconds)
            except TimeoutError:
                await self.kill()
                return False
        return True

    async def kill(self) -> None:
        """Kills the broker (SIGKILL), as a crash would, and returns when it is gone."""
        if self.pid is not None:
            self._signal(signal.SIGKILL)
            await self._ended(_STOP_SECONDS)

    def pause(self) -> None:
        """Suspends the broker (SIGSTOP), and returns once it has stopped: connections stay open, nothing answers."""
        self._signal(signal.SIGSTOP)
        if self._process is not None:
            # Its threads stop one by one; the system tells when the last one has.
            os.waitpid(self._process.pid, os.WUNTRACED)

    def resume(self) -> None:
        """Continues a suspended broker (SIGCONT)."""
        self._signal(signal.SIGCONT)

    @property
    def _output_path(self) -> Path:
        return self.log_path.with_name("output.log")

    @property
    def _lock_path(self) -> Path:
        return self.log_path.with_name("lock")

    def _signal(self, number: signal.Signals) -> None:
        pid = self.pid
        if pid is None:
            raise BrokerFailed(f"broker {self.node_id} does not run")
        os.kill(pid, number)

    async def _ended(self, seconds: float) -> None:
        async with asyncio.timeout(seconds):
            while self.pid is not None:  # noqa: ASYNC110 (a child's end is no event of the loop, and the loop may change)
                await asyncio.sleep(_POLL_SECONDS)


class LocalCluster:
    """A Kafka of one or three brokers on this machine, on loopback and free ports.

    ```python
    async with LocalCluster() as kafka:
        producer = AIOKafkaProducer(bootstrap_servers=kafka.bootstrap_servers)
    ```

    It belongs to the thread that starts it: the brokers are killed when that thread ends (Linux), so that a program that is
    killed leaves none behind.
    """

    def __init__(
        self,
        data: Path | None = None,
        *,
        brokers: int = 1,
        java: str | None = None,
        progress: Progress | None = None,
        security: BrokerSecurity | None = None,
    ) -> None:
        """
        Args:
            data: the folder of its records, kept when it stops and used again when it starts. Without one, a temporary
                folder is made at the start and removed at the stop.
            brokers: 1, or 3 (three copies of everything, two must acknowledge, so that one may die).
            java: which Java, see `find_java`.
            progress: told about the jars fetched at the first start.
            security: encryption, users and what they may do; without it, whoever reaches loopback may do anything.
        """
        self._given_data = data
        self._temporary: Path | None = None
        self._count = brokers
        self._java = java
        self._progress = progress
        self._security = security
        self.brokers: tuple[LocalBroker, ...] = ()
        self.bootstrap_servers = ""

    @property
    def pids(self) -> tuple[int, ...]:
        """The ids of the running processes."""
        return tuple(broker.pid for broker in self.brokers if broker.pid is not None)

    async def start(self, *, timeout_seconds: float = 60) -> None:
        """Starts all brokers and returns when a topic can be created that has a copy on each.

        Fetching the jars (the first time on a machine) does not count towards `timeout_seconds`.

        Raises:
            BrokerError: it cannot run; see `steno.broker.errors`.
        """
        if self.pids:
            raise BrokerFailed(f"the cluster at {self.bootstrap_servers} runs already; stop it first")
        if self._given_data is None and self._temporary is None:
            self._temporary = Path(tempfile.mkdtemp(prefix="steno-kafka-"))
        try:
            await self._start(self._given_data or self._temporary or Path(), timeout_seconds)
        except BaseException:
            await self.kill()
            self._throw_away()
            raise

    async def _start(self, data: Path, timeout_seconds: float) -> None:
        security = self._security
        commands = await asyncio.to_thread(
            prepare_cluster, data, brokers=self._count, java=self._java, progress=self._progress, security=security
        )
        self.brokers = tuple(LocalBroker(command, security) for command in commands)
        self.bootstrap_servers = commands[0].bootstrap_servers
        node_ids = [broker.node_id for broker in self.brokers]
        try:
            for broker in self.brokers:
                await broker.launch()
            await wait_ready(
                self.bootstrap_servers,
                timeout_seconds=timeout_seconds,
                node_ids=node_ids,
                check=self._check,
                connection={} if security is None else security.connection(),
            )
            if security is not None:
                await grant(self.bootstrap_servers, security, security.access)
        except BrokerFailed as error:
            ended = [broker for broker in self.brokers if broker.pid is None]
            raise (ended or self.brokers)[0].explain(error) from error

    def _check(self) -> None:
        for broker in self.brokers:
            broker.check()

    async def stop(self) -> None:
        """Stops all brokers: in order where the data is kept, else by killing them and removing their folder."""
        if self._temporary:
            await self.kill()
            self._throw_away()
        else:
            await asyncio.gather(*(broker.stop() for broker in self.brokers))

    async def kill(self) -> None:
        """Kills all brokers (SIGKILL), as a loss of power would; their data stays for the next `start`."""
        await asyncio.gather(*(broker.kill() for broker in self.brokers))

    def _throw_away(self) -> None:
        if self._temporary:
            shutil.rmtree(self._temporary, ignore_errors=True)
            self._temporary = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()
