"""Starts admitted calls, each with a rate limit and a sender to the call log, and runs their senders."""

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
from steno_ingest.calls.hosting.pace import CALLS_AT_ONCE, Pace, SharedBurst
from steno_ingest.calls.hosting.registry import CallRegistry
from steno_ingest.calls.hosting.sender import CallSender, Outlet
from steno_ingest.errors import Refused
from steno_ingest.metrics import CALLS_HOSTED

log = structlog.get_logger("steno.ingest.calls")

_REMEMBERED_SECONDS = 60.0
"""How long a call stays known after its end, since its peer may have lost the connection before the last acknowledgement."""

UNACKNOWLEDGED_MS = 10_000
"""How much audio of a call may wait for Kafka before reading from its peer stops: as much as comes during a failover of a
broker. While nothing is read from a peer, its pings are not answered, and peers disconnect for that."""


class Ledger(Protocol):
    """What is needed of `steno_ingest.calls.ledger.call_ledger.CallLedger`."""

    async def fail(self, call_id: str, *, reason: str, error: str) -> bool: ...


class CallStarter:
    """Starts calls and runs their senders."""

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
            live_speed: The highest lasting rate at which a call may send audio, as a multiple of real time.
            burst_seconds: How much audio a call may send in one burst.
            on_broken: Called with an unexpected error of a sender.
            now: Seconds of a monotonic clock.
        """
        self._registry = registry
        self._ledger = ledger
        self._outlet = outlet
        self._live_speed = live_speed
        self._burst_seconds = burst_seconds
        self._on_broken = on_broken
        self._now = now
        #: The shared bursts by name of the API key; there are at most as many as keys.
        self._bursts: dict[str, SharedBurst] = {}
        self._senders: set[asyncio.Task[None]] = set()
        self._failing: set[asyncio.Task[None]] = set()

    @property
    def open_calls(self) -> int:
        """The number of calls that are not completely on the log yet."""
        return len(self._senders)

    def start(self, admitted: Admitted, *, door: str, resumable: bool, key_name: str = "") -> HostedCall:
        """Starts or resumes an admitted call; it shares the burst of the API key `key_name`."""
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
            pace=Pace(
                speed=self._live_speed, burst_seconds=self._burst_seconds, shared=self._burst_of(key_name), now=self._now
            ),
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
        """Waits until Kafka has everything of the calls, which were ended or released, but not longer than `seconds`."""
        if not self._senders:
            return
        _, unsent = await asyncio.wait(self._senders, timeout=seconds)
        for task in unsent:
            task.cancel()
        if unsent:
            log.error("calls.unsent", calls=len(unsent), reason="Kafka did not accept all of their audio in time")

    def _burst_of(self, key_name: str) -> SharedBurst:
        burst = self._bursts.get(key_name)
        if burst is None:
            burst = self._bursts[key_name] = SharedBurst(seconds=CALLS_AT_ONCE * self._burst_seconds, now=self._now)
        return burst

    def _finish(self, call: HostedCall, task: asyncio.Task[None]) -> None:
        self._senders.discard(task)
        CALLS_HOSTED.set(len(self._senders))
        call.note_sent(forget_at=self._now() + _REMEMBERED_SECONDS)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._on_broken(error)

    def _fail_start(self, call_id: str, reason: str) -> None:
        """Fails a call whose start Kafka will never accept."""
        reason = f"the call cannot be accepted: {reason}; send less metadata with it"
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
