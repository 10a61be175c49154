"""A call host for unit tests, with ledger, log and peer in memory, and a clock that the test sets."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from steno_ingest.calls.doors.actions import Offered, ResumePoint
from steno_ingest.calls.doors.audio_format import AudioFormat
from steno_ingest.calls.hosting.host import CallHost
from steno_ingest.calls.hosting.reconciler import Reconciler
from steno_ingest.calls.ledger.call_rows import visible
from steno_ingest.calls.ledger.changes import already_ended, id_in_use, new_call, set_paused
from steno_ingest.calls.ledger.view import CallView, Standing
from steno_ingest.errors import NotThere

from steno.events.catalogue import Topic
from steno.events.records import AudioCodec, CallChannel, CallStarted, CallStatus, Record
from steno.kafka import Encoded
from steno.kafka.errors import RecordRefused
from steno.storage.database import DatabaseUnavailable
from steno.tenants import Caller

NOW = datetime(2026, 11, 1, tzinfo=UTC)
PEER = Caller("peer", "acme")


def offer(call_id: str = "c", *, resume: tuple[int, int] | None = None, channels: int = 1, paused: bool = False) -> Offered:
    """Makes the offer of a PCMU call."""
    return Offered(
        call_id=call_id,
        format=AudioFormat(AudioCodec.PCMU, 8000),
        channels=tuple(CallChannel(channel=number) for number in range(channels)),
        paused=paused,
        resume=None if resume is None else ResumePoint(sequence=resume[0], position=resume[1]),
    )


class MemoryLedger:
    """The ledger of calls in memory, with the rules of the real one."""

    def __init__(self) -> None:
        self.views: dict[str, CallView] = {}
        self.away = False
        #: While cleared, every method waits.
        self.answering = asyncio.Event()
        self.answering.set()
        #: How often the gate of a call was written.
        self.gate_writes = 0

    async def begin(self, started: CallStarted, *, door: str, instance: str, paused: bool, chunk_ms: int) -> None:
        await self._reached()
        if started.call_id in self.views:
            raise id_in_use(self.views[started.call_id])
        self.views[started.call_id] = new_call(started, door=door, instance=instance, paused=paused, chunk_ms=chunk_ms, at=NOW)

    async def resume(self, call_id: str, *, instance: str, caller: Caller) -> CallView:
        await self._reached()
        visible(self._there(call_id), call_id, caller)
        if not self._there(call_id).open:
            raise already_ended(self.views[call_id], "go on")
        return self.change(call_id, instance=instance)

    async def set_paused(
        self, call_id: str, paused: bool, *, by: str, reason: str = "", instance: str | None = None
    ) -> CallView:
        self.gate_writes += 1
        await self._reached()
        return self.change(call_id, **set_paused(self._there(call_id), paused, by=by, reason=reason))

    async def fail(self, call_id: str, *, reason: str, error: str) -> bool:
        await self._reached()
        self.change(call_id, state=CallStatus.FAILED, ended_at=NOW, reason=reason, error=error)
        return True

    async def leave(self, *, instance: str, reason: str) -> None:
        for view in await self.open_calls(instance=instance):
            self.change(view.call_id, end_reason=reason)

    async def standing(self, *, instance: str) -> list[Standing]:
        await self._reached()
        return [
            Standing(
                call_id=view.call_id,
                paused=view.paused,
                pause_requested_by=view.pause_requested_by,
                pause_reason=view.pause_reason,
                paused_by_peer=view.paused_by_peer,
                resume_asked_by=view.resume_asked_by,
                end_requested_by=view.end_requested_by,
            )
            for view in await self.open_calls(instance=instance)
        ]

    async def open_calls(self, *, instance: str | None = None) -> list[CallView]:
        await self._reached()
        return [view for view in self.views.values() if view.open and instance in (None, view.instance)]

    async def end_lost(self, call_id: str, *, instance: str, reason: str, error: str) -> bool:
        await self._reached()
        if not self._there(call_id).open or self.views[call_id].instance != instance:
            return False
        reason = self.views[call_id].end_reason or reason
        self.change(call_id, state=CallStatus.ENDING, ended_at=NOW, end_reason=reason, end_error=error)
        return True

    def change(self, call_id: str, **changes: object) -> CallView:
        """Changes a call."""
        self.views[call_id] = replace(self.views[call_id], **changes)  # type: ignore[arg-type]
        return self.views[call_id]

    def _there(self, call_id: str) -> CallView:
        if call_id not in self.views:
            raise NotThere(f"there is no call {call_id}")
        return self.views[call_id]

    async def _reached(self) -> None:
        await self.answering.wait()
        if self.away:
            raise DatabaseUnavailable("it is away")


class MemoryLog:
    """The call log in memory; it has records instead of bytes."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.taking = asyncio.Event()
        self.taking.set()
        self._encoded: dict[bytes, Record] = {}
        #: Whether it refuses the starts of calls.
        self.refuses_starts = False

    def encode(self, _topic: Topic, record: Record) -> Encoded:
        value = str(len(self._encoded)).encode()
        self._encoded[value] = record
        return Encoded(key=b"", value=value, headers=())

    encode_bare = encode

    async def send_in_order(self, _topic: Topic, records: Sequence[Encoded]) -> int:
        await self.taking.wait()
        if self.refuses_starts and isinstance(self._encoded[records[0].value], CallStarted):
            raise RecordRefused("the start is too large")
        self.records += [self._encoded[record.value] for record in records]
        return len(records)


@dataclass
class ScriptedPeer:
    """A peer that records what it is asked to do."""

    caller: Caller = PEER
    asked: list[str] = field(default_factory=list)
    silent_seconds: float = 0.0

    def ask_pause(self) -> None:
        self.asked.append("pause")

    def ask_resume(self) -> None:
        self.asked.append("resume")

    def ask_to_leave(self, reason: str) -> None:
        self.asked.append(reason)

    def reject(self, error: str) -> None:
        self.asked.append(f"rejected: {error}")


class Hosting:
    """A host with its ledger, log and reconciler."""

    def __init__(self, *, max_calls: int = 10) -> None:
        self.seconds = 0.0
        self.ledger = MemoryLedger()
        self.log = MemoryLog()
        self.host = CallHost(
            self.ledger,
            self.log,
            instance="0",
            chunk_ms=100,
            resume_seconds=30,
            max_calls=max_calls,
            drain_seconds=0.2,
            clock=lambda: NOW,
            now=lambda: self.seconds,
        )
        self.reconciler = Reconciler(
            self.host, self.ledger, instance="0", resumable=frozenset({"stream"}), now=lambda: self.seconds
        )

    async def settle(self) -> None:
        """Lets all tasks run until they wait."""
        for _ in range(20):
            await asyncio.sleep(0)

    @property
    def kinds(self) -> list[str]:
        """The names of the records on the log."""
        return [type(record).__name__ for record in self.log.records]
