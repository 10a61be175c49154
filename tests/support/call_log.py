"""The call log on stores in memory that can be killed at any step, and keep their content as in a crash."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

from steno_ingest.calls.ledger.account_rows import AccountRows, SavedAccount
from steno_ingest.calls.ledger.call_ledger import CallLedger
from steno_ingest.calls.ledger.changes import new_call
from steno_ingest.calls.ledger.view import CallView, fingerprint
from steno_ingest.calls.log.account.flush import Flusher
from steno_ingest.calls.log.audio.piece_store import PieceStore
from steno_ingest.calls.log.reading.call_log import CallLog
from steno_ingest.calls.log.recording.recorder import Recorder
from steno_ingest.calls.log.recording.recording_jobs import RecordingJobs
from steno_ingest.errors import CallIdInUse, NotThere
from steno_ingest.recordings.idempotency import Claim
from steno_ingest.recordings.intake import Intake
from steno_ingest.recordings.ledger import RecordingLedger
from steno_ingest.recordings.view import Door
from support.call_scenes import Scene

from steno.errors import Permanent
from steno.events.catalogue import CALL_AUDIO
from steno.events.properties import merged
from steno.events.records import CallEnded, CallRecord, CallStarted, RecordingSubmitted
from steno.kafka.messages import Message
from steno.storage.objects import ObjectStore
from steno.tenants import Caller

HEADER_BYTES = 58

NOW = datetime(2026, 3, 1, tzinfo=UTC)


class Killed(BaseException):
    """The process was killed."""


@dataclass
class KillPoint:
    """Allows a number of effects, then kills the process before or after the next one."""

    steps: int = -1
    after: bool = False

    async def run(self, effect: Callable[[], Any]) -> Any:
        """Runs an effect, or kills the process."""
        if self.steps == 0 and not self.after:
            raise Killed
        result = effect()
        if hasattr(result, "__await__"):
            result = await result
        if self.steps == 0:
            raise Killed
        self.steps -= 1
        return result


class KillableObjects(ObjectStore):
    """Objects in memory."""

    def __init__(self) -> None:
        super().__init__("memory:///")
        self.kill_point = KillPoint()

    async def put(self, key: str, data: bytes | AsyncIterator[bytes]) -> str:
        put = super().put
        url: str = await self.kill_point.run(lambda: put(key, data))
        return url

    async def move(self, url: str, key: str) -> str:
        move = super().move
        moved: str = await self.kill_point.run(lambda: move(url, key))
        return moved

    async def clear(self, prefix: str) -> None:
        delete = super().delete
        for url in await self.list_urls(prefix):
            await self.kill_point.run(partial(delete, url))


class KillableAccounts(AccountRows):
    """Accounts in memory."""

    def __init__(self, kill_point: Callable[[], KillPoint]) -> None:
        self.rows: dict[str, SavedAccount] = {}
        self.finished: set[str] = set()
        self._kill_point = kill_point

    async def unfinished(self, partition: int) -> list[SavedAccount]:
        return [row for row in self.rows.values() if row.call_id not in self.finished and row.partition == partition]

    async def find(self, call_id: str) -> SavedAccount | None:
        return self.rows.get(call_id)

    async def save(self, accounts: Sequence[SavedAccount]) -> None:
        if accounts:
            await self._kill_point().run(lambda: self.rows.update({account.call_id: account for account in accounts}))

    async def is_finished(self, call_id: str) -> bool:
        return call_id in self.finished

    async def finish(self, call_id: str) -> None:
        await self._kill_point().run(lambda: self.finished.add(call_id))


class KillableLedger(CallLedger):
    """The ledger's calls in memory."""

    def __init__(self, kill_point: Callable[[], KillPoint]) -> None:
        self.views: dict[str, CallView] = {}
        #: Duration and detail by call, kind and position, of the first event.
        self.events: dict[tuple[str, str, int], tuple[int, str]] = {}
        self._kill_point = kill_point

    async def note_started(self, started: CallStarted) -> bool:
        known = self.views.get(started.call_id)
        if known is not None:
            if known.fingerprint != fingerprint(started):
                raise CallIdInUse("another call has this id")
            return False
        view = new_call(started, door="kafka", instance="", paused=False, chunk_ms=100, at=NOW)
        await self._kill_point().run(lambda: self.views.update({started.call_id: view}))
        return True

    async def call(self, call_id: str, *, caller: Caller | None = None) -> CallView:
        if call_id not in self.views:
            raise NotThere(call_id)
        return self.views[call_id]

    async def set_paused(
        self, call_id: str, paused: bool, *, by: str, reason: str = "", instance: str | None = None
    ) -> CallView:
        return await self._change(call_id, paused=paused)

    async def update(self, call_id: str, *, properties: Mapping[str, str], locale: str = "") -> None:
        await self._change(call_id, properties=merged((await self.call(call_id)).properties, properties))

    async def end_audio(self, ended: CallEnded) -> bool:
        await self._change(ended.call_id, ended_at=ended.ended_at, end_reason=ended.reason, complete=ended.complete)
        return True

    async def fail(self, call_id: str, *, reason: str, error: str) -> bool:
        await self._change(call_id, error=error)
        return True

    async def note_recording(self, call_id: str, recording_id: str, url: str) -> None:
        await self._change(call_id, audio_recording_id=recording_id, audio_url=url)

    async def note_heard(self, positions: Mapping[str, int]) -> None:
        for call_id, position in positions.items():
            await self._change(call_id, heard_position=max(position, self.views[call_id].heard_position))

    async def note_event(self, call_id: str, kind: str, *, position_ms: int, duration_ms: int = 0, detail: str = "") -> None:
        await self._kill_point().run(lambda: self.events.setdefault((call_id, kind, position_ms), (duration_ms, detail)))

    async def _change(self, call_id: str, **changes: Any) -> CallView:
        view = replace(await self.call(call_id), **changes)
        await self._kill_point().run(lambda: self.views.update({call_id: view}))
        return view


class KillableRecordings(RecordingLedger):
    """The ledger's recordings in memory."""

    def __init__(self, kill_point: Callable[[], KillPoint]) -> None:
        self.accepted: dict[str, RecordingSubmitted] = {}
        self._kill_point = kill_point

    async def accept(
        self, record: RecordingSubmitted, *, door: Door, caller: Caller, claim: Claim | None = None
    ) -> tuple[Any, bool]:
        assert door is Door.CALL
        created = record.recording_id not in self.accepted
        await self._kill_point().run(lambda: self.accepted.setdefault(record.recording_id, record))
        return None, created


@dataclass
class World:
    """The state that survives a process: stores, the log of one partition, and its committed offset."""

    log: list[CallRecord] = field(default_factory=list)
    committed: int = 0
    now: float = 0.0
    #: The times at which records were written, by offset, if not immediately.
    times: dict[int, datetime] = field(default_factory=dict)
    #: Dead letters by offset.
    dead_letters: dict[int, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.objects = KillableObjects()
        self.accounts = KillableAccounts(lambda: self.objects.kill_point)
        self.ledger = KillableLedger(lambda: self.objects.kill_point)
        self.recordings = KillableRecordings(lambda: self.objects.kill_point)

    def process(self, **options: Any) -> "Process":
        """Makes a process."""
        return Process(self, **options)

    async def recording(self, call_id: str) -> bytes:
        """Returns the recording that is in the ledger."""
        return await self.objects.get(self.ledger.views[call_id].audio_url)


class Process:
    """One process of the call log."""

    def __init__(
        self,
        world: World,
        *,
        record_calls: bool = True,
        second_pass: bool = True,
        keep_digits: bool = False,
        **flusher: int,
    ) -> None:
        pieces = PieceStore(world.objects)
        intake = Intake(world.recordings, world.objects, max_bytes=1000)
        self.recorder = Recorder(
            intake=intake, ledger=world.ledger, accounts=world.accounts, pieces=pieces, second_pass=second_pass
        )
        #: Ended calls whose recordings are not made yet.
        self.ended: list[SavedAccount] = []
        jobs = RecordingJobs(self.recorder.finish, give_up=self.recorder.give_up)
        jobs.start = self.ended.append  # type: ignore[method-assign,assignment]  # made when the test says so
        self.call_log = CallLog(
            ledger=world.ledger,
            accounts=world.accounts,
            flusher=Flusher(world.ledger, world.accounts, pieces, **flusher),
            jobs=jobs,
            record_calls=record_calls,
            one_way_seconds=30,
            keep_digits=keep_digits,
            clock=lambda: world.now,
        )
        self.world = world
        self.offset = world.committed

    async def open(self) -> None:
        assert await self.call_log.open(0) is None

    async def take(self) -> None:
        """Handles the next record of the log."""
        offset, record = self.offset, self.world.log[self.offset]
        self.offset += 1
        message = Message(
            topic=CALL_AUDIO,
            partition=0,
            offset=offset,
            key=record.call_id,
            record=record,
            headers={},
            timestamp=self.world.times.get(offset, NOW),
        )
        try:
            await self.call_log.handle(message)
        except Permanent as error:
            self.world.dead_letters[offset] = error.error_class

    async def settle(self) -> None:
        """Settles and commits."""
        offset = await self.call_log.settle(0)
        if offset is not None:
            assert self.world.committed <= offset <= self.offset
            self.world.committed = offset

    async def finish(self) -> None:
        """Makes the next recording."""
        if self.ended:
            await self.recorder.finish(self.ended[0])
            del self.ended[0]

    async def read_all(self) -> None:
        """Reads the log to its end, and makes all recordings."""
        while self.offset < len(self.world.log):
            await self.take()
        await self.settle()
        while self.ended:
            await self.finish()


async def audio_of(world: World, scene: Scene) -> bytes:
    """Returns the audio of a call's recording, without header and padding."""
    return (await world.recording(scene.call_id))[HEADER_BYTES:][: len(scene.expected)]


async def read(world: World, **options: bool) -> World:
    """Lets a process read the whole log; returns the world."""
    process = world.process(**options)
    await process.open()
    await process.read_all()
    return world


def a_call(call_id: str = "c", *, audio: int = 800) -> Scene:
    """Makes a call with audio of a length."""
    scene = Scene(call_id=call_id)
    scene.start()
    scene.send(audio)
    scene.end()
    return scene
