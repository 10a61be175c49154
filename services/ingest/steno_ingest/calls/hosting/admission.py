"""Begins or resumes calls in the ledger, in bounded time."""

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol, TypeVar

from pydantic import ValidationError

from steno.errors import Retryable
from steno.events.records import CallStarted
from steno.tenants import Caller
from steno_ingest.calls.doors.actions import Offered, ResumePoint, ResumePosition
from steno_ingest.calls.doors.port import Refusal
from steno_ingest.calls.hosting.chunk_length import chunk_ms_of_new_call
from steno_ingest.calls.hosting.conversations import Conversation, conversation_of
from steno_ingest.calls.hosting.session import CallSession, unused_sequence
from steno_ingest.calls.ledger.pauses import GateState
from steno_ingest.calls.ledger.view import CallView, start_of
from steno_ingest.errors import CallAlreadyEnded, CallIdInUse, NotThere, Refused

T = TypeVar("T")

_LEDGER_SECONDS = 3.0
"""How long a peer waits for the ledger; AudioHook's reference client gives up after five seconds."""

_WRITER_BYTES = 4
"""The length of a writer id. Few bytes are enough, since clients cannot choose it; every chunk contains it."""

_REFUSALS: dict[type[Refused], Refusal] = {
    CallIdInUse: Refusal.CALL_ID_IN_USE,
    NotThere: Refusal.NO_SUCH_CALL,
    CallAlreadyEnded: Refusal.CALL_ALREADY_ENDED,
}


class OfferRefused(Exception):
    """An offered call is refused; the message is for its peer."""

    def __init__(self, refusal: Refusal, message: str) -> None:
        super().__init__(message)
        self.refusal = refusal


class Ledger(Protocol):
    """The methods used of `steno_ingest.calls.ledger.call_ledger.CallLedger`."""

    async def begin(self, started: CallStarted, *, door: str, instance: str, paused: bool, chunk_ms: int) -> None: ...
    async def resume(self, call_id: str, *, instance: str, caller: Caller) -> CallView: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Admitted:
    """A call that the ledger has assigned to this instance."""

    session: CallSession
    #: The state of its pause gate at the start.
    gate: GateState
    reason: str = ""
    #: Whether its peer may reconnect and resume it.
    resumable: bool
    #: The conversation by which its peer can continue it in a new session.
    conversation: Conversation | None = None
    #: How long its peer is awaited, if its protocol defines that.
    awaited_seconds: float | None = None
    #: Samples of one channel that the call log has received of it.
    heard_position: int = 0


class Admission:
    """Adds calls to the ledger. Calls that were added too late, after their peers were refused, are passed to `on_late`."""

    def __init__(
        self,
        ledger: Ledger,
        *,
        instance: str,
        chunk_ms: int,
        keep_digits: bool = False,
        on_late: Callable[[Admitted], None],
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ledger = ledger
        self._instance = instance
        self._chunk_ms = chunk_ms
        self._keep_digits = keep_digits
        self._on_late = on_late
        self._clock = clock
        self._now = now
        self._late: set[asyncio.Task[None]] = set()

    async def begin(self, offered: Offered, *, door: str, resumable: bool, caller: Caller, open_calls: int) -> Admitted:
        """Begins a new call; `open_calls` is the number of calls open in this process. Raises `OfferRefused`."""
        chunk_ms = chunk_ms_of_new_call(shortest_ms=self._chunk_ms, frame_ms=offered.frame_ms, open_calls=open_calls)
        try:
            started = CallStarted(
                call_id=offered.call_id,
                codec=offered.format.codec,
                sample_rate=offered.format.sample_rate,
                channels=offered.channels,
                locale=offered.locale,
                protocol=door,
                properties=dict(offered.properties),
                started_at=self._clock(),
                tenant=caller.tenant,
                writer=secrets.token_hex(_WRITER_BYTES),
                recognition=offered.recognition,
            )
        except ValidationError as error:
            faults = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors(include_input=False))
            raise OfferRefused(Refusal.NOT_VALID, faults) from error

        async def begun() -> Admitted:
            await self._ledger.begin(started, door=door, instance=self._instance, paused=offered.paused, chunk_ms=chunk_ms)
            session = self._session(started, chunk_ms=chunk_ms)
            return Admitted(
                session=session,
                gate=GateState.BY_PEER if offered.paused else GateState.OPEN,
                resumable=resumable,
                conversation=conversation_of(offered, door=door, caller=caller),
                awaited_seconds=offered.awaited_seconds,
            )

        return await self._within_time(begun())

    async def resume(self, offered: Offered, *, caller: Caller) -> Admitted:
        """Resumes a call that began in another process, or before a restart. Raises `OfferRefused`.

        A call that is paused in the ledger stays paused, by the same side.
        """

        async def resumed() -> Admitted:
            view = await self._ledger.resume(offered.call_id, instance=self._instance, caller=caller)
            # A call of an upstream system has no chunk length in the ledger.
            session = self._session(start_of(view), chunk_ms=view.chunk_ms or self._chunk_ms, at=offered.resume)
            return Admitted(
                session=session,
                gate=view.gate,
                reason=view.pause_reason,
                resumable=True,
                heard_position=view.heard_position,
            )

        return await self._within_time(resumed())

    def _session(self, started: CallStarted, *, chunk_ms: int, at: ResumePoint | ResumePosition | None = None) -> CallSession:
        if isinstance(at, ResumePosition):
            at = ResumePoint(sequence=unused_sequence(self._clock() - started.started_at), position=at.position)
        return CallSession(started, chunk_ms=chunk_ms, clock=self._clock, now=self._now, at=at, keep_digits=self._keep_digits)

    async def _within_time(self, work: Awaitable[Admitted]) -> Admitted:
        """Returns the result of a transaction if it comes in time; a later one is not undone, but handled by `on_late`."""
        task = asyncio.ensure_future(work)
        try:
            await asyncio.wait({task}, timeout=_LEDGER_SECONDS)
            if task.done():
                return task.result()
        except Refused as error:
            raise OfferRefused(_REFUSALS.get(type(error), Refusal.NOT_VALID), str(error)) from error
        except Retryable as error:
            raise OfferRefused(Refusal.LEDGER_AWAY, f"the call cannot be stored now, try again soon: {error}") from error
        finally:
            if not task.done():
                late = asyncio.create_task(self._handle_late(task))
                self._late.add(late)
                late.add_done_callback(self._late.discard)
        raise OfferRefused(Refusal.LEDGER_AWAY, f"the ledger did not answer in {_LEDGER_SECONDS:g} s; try again soon")

    async def _handle_late(self, task: asyncio.Future[Admitted]) -> None:
        # If the transaction failed, there is nothing to handle.
        with suppress(Refused, Retryable):
            self._on_late(await task)
