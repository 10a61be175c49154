"""Starts hosting a call that the ledger has: gives it a pace and a line to the log, and runs that line to its end."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Protocol

import structlog

from steno.kafka.errors import RecordRefused
from steno.retry import EACH_SECOND, retry
from steno_ingest.calls.hosting.admission import Admitted
from steno_ingest.calls.hosting.hosted_call import HostedCall
from steno_ingest.calls.hosting.pace import CALLS_AT_ONCE, Pace, PartyBurst
from steno_ingest.calls.hosting.registry import CallRegistry
from steno_ingest.calls.hosting.sender import CallSender, Outlet
from steno_ingest.errors import Refused
from steno_ingest.metrics import CALLS_HOSTED

log = structlog.get_logger("steno.ingest.calls")

_REMEMBERED_SECONDS = 60.0
"""How long a call that is over is known: its peer may have lost the connection before it was told that all is safe."""

UNACKNOWLEDGED_MS = 10_000
"""Audio of a call that may wait for Kafka before its peer has to: as long as a broker takes to be replaced by another. While
nothing is read from a peer, its pings are not answered either, and peers give up over that."""


class Ledger(Protocol):
    """What is needed of `steno_ingest.calls.ledger.call_ledger.CallLedger`."""

    async def fail(self, call_id: str, *, reason: str, error: str) -> bool: ...


class CallStarter:
    """Starts calls, and keeps their lines to the log running."""

    def __init__(
        self,
        registry: CallRegistry,
        ledger: Ledger,
        outlet: Outlet,
        *,
        live_speed: float,
        burst_seconds: float,
        on_broken: Callable[[BaseException], None],
        now: Callable[[], float],
    ) -> None:
        """
        Args:
            live_speed: How many times as fast as it is spoken a call may come in.
            burst_seconds: How much audio may come at once.
            on_broken: Told what broke the line of a call to the log.
            now: Seconds of a monotonic clock.
        """
        self._registry = registry
        self._ledger = ledger
        self._outlet = outlet
        self._live_speed = live_speed
        self._burst_seconds = burst_seconds
        self._on_broken = on_broken
        self._now = now
        #: By the name of its key; there are no more of them than keys.
        self._bursts: dict[str, PartyBurst] = {}
        self._senders: set[asyncio.Task[None]] = set()
        self._failing: set[asyncio.Task[None]] = set()

    @property
    def open_calls(self) -> int:
        """How many calls are not all on the log yet."""
        return len(self._senders)

    def start(self, admitted: Admitted, *, door: str, resumable: bool, party: str = "") -> HostedCall:
        """Starts a call that was admitted, or has it go on here. `party` is whose burst it shares."""
        call_id = admitted.session.started.call_id
        sender = CallSender(
            self._outlet,
            limit=UNACKNOWLEDGED_MS // admitted.session.chunk_ms,
            on_start_refused=lambda reason: self._fail_start(call_id, reason),
        )
        call = HostedCall(
            admitted.session,
            sender,
            door=door,
            resumable=resumable,
            conversation=admitted.conversation,
            awaited_seconds=admitted.awaited_seconds,
            pace=Pace(speed=self._live_speed, burst_seconds=self._burst_seconds, party=self._burst_of(party), now=self._now),
            now=self._now,
        )
        call.start(admitted.gate, reason=admitted.reason)
        self._registry.add(call)
        task = asyncio.create_task(sender.run())
        self._senders.add(task)
        CALLS_HOSTED.set(len(self._senders))
        task.add_done_callback(lambda done: self._finish(call, done))
        return call

    async def drain(self, seconds: float) -> None:
        """Waits until Kafka has all of the calls, which were ended or left, and not for longer."""
        if not self._senders:
            return
        _, unsent = await asyncio.wait(self._senders, timeout=seconds)
        for task in unsent:
            task.cancel()
        if unsent:
            log.error("calls.unsent", calls=len(unsent), reason="Kafka did not take all of their audio in time")

    def _burst_of(self, party: str) -> PartyBurst:
        burst = self._bursts.get(party)
        if burst is None:
            burst = self._bursts[party] = PartyBurst(seconds=CALLS_AT_ONCE * self._burst_seconds, now=self._now)
        return burst

    def _finish(self, call: HostedCall, task: asyncio.Task[None]) -> None:
        self._senders.discard(task)
        CALLS_HOSTED.set(len(self._senders))
        call.note_sent(forget_at=self._now() + _REMEMBERED_SECONDS)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._on_broken(error)

    def _fail_start(self, call_id: str, reason: str) -> None:
        """Fails a call whose start Kafka will never take."""
        reason = f"the call cannot be taken: {reason}; send less of what is known of it"
        self._registry.calls[call_id].reject(reason)
        task = asyncio.create_task(self._fail_in_ledger(call_id, reason))
        self._failing.add(task)
        task.add_done_callback(self._failing.discard)

    async def _fail_in_ledger(self, call_id: str, reason: str) -> None:
        fail = partial(self._ledger.fail, call_id, reason=reason, error=RecordRefused.error_class)
        with suppress(Refused):
            await retry(
                fail,
                EACH_SECOND,
                failed=lambda error, _: log.warning("call.failure_not_kept", call_id=call_id, reason=str(error)),
            )
