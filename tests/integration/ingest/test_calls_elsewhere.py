"""Calls of one process and the rest of the world: what is asked at another process, and calls that move or are lost."""

import asyncio

import pytest
from steno_ingest.calls.doors.actions import Audio, Paused, Resumed
from steno_ingest.calls.doors.port import Refusal
from steno_ingest.calls.hosting.admission import OfferRefused
from steno_ingest.calls.hosting.host import CallHost
from steno_ingest.calls.hosting.hosted_call import HostedCall
from steno_ingest.calls.hosting.reconciler import Reconciler
from steno_ingest.calls.ledger.pauses import GateState
from steno_ingest.tables import outbox
from support.hosting import MemoryLog, ScriptedPeer, offer
from support.ingest import CODEC, Ingest

from steno.events.records import CallEnded, CallPaused, CallResumed, CallState, CallStatus


class Process:
    """What one process of ingest has of calls, on the ledger of all."""

    def __init__(self, ingest: Ingest, instance: str) -> None:
        self.log = MemoryLog()
        self.peer = ScriptedPeer()
        self.host = CallHost(
            ingest.calls, self.log, instance=instance, chunk_ms=100, resume_seconds=0, max_calls=10, drain_seconds=1
        )
        self.reconciler = Reconciler(self.host, ingest.calls, instance=instance, resumable=frozenset({"stream"}))

    async def take(self, *, resume: tuple[int, int] | None = None) -> HostedCall:
        """A call comes in here."""
        return await self.host.offer(offer(resume=resume), door="stream", resumable=True, peer=self.peer)

    @property
    def kinds(self) -> list[str]:
        """The names of the records that came from here."""
        return [type(record).__name__ for record in self.log.records]


async def test_a_call_is_paused_and_ended_wherever_that_is_asked(ingest: Ingest) -> None:
    """The API of a process that has no calls: within a look the call's own process does it."""
    process = Process(ingest, "0")
    call = await process.take()
    answer = await ingest.client.post("/v1/calls/c/pause", json={"reason": "card"})
    assert answer.is_success, answer.text
    await process.reconciler.reconcile()
    assert call.gate.closed
    process.host.handle(call, Audio(data=bytes(800)))
    assert (await ingest.client.post("/v1/calls/c/resume")).is_success
    await process.reconciler.reconcile()
    assert not call.gate.closed
    assert (await ingest.client.post("/v1/calls/c/end")).is_success
    await process.reconciler.reconcile()
    await process.host.stop()
    assert process.peer.asked == ["pause", "resume", "ended_by_api"]
    _, paused, resumed, end = process.log.records
    assert isinstance(paused, CallPaused)
    assert (paused.requested_by, paused.reason) == ("tester", "card")
    assert isinstance(resumed, CallResumed)
    assert isinstance(end, CallEnded)
    assert (end.position, end.complete, end.reason) == (800, False, "closed")


async def test_a_peer_does_not_open_what_was_closed_elsewhere(ingest: Ingest) -> None:
    """Also where it paused itself before, and says so before the pause of the other was seen here."""
    process = Process(ingest, "0")
    call = await process.take()
    process.host.handle(call, Paused())
    await _until_paused(ingest, True)
    assert (await ingest.client.post("/v1/calls/c/pause")).is_success
    process.host.handle(call, Resumed())
    while not call.gate.closed:
        await _until_paused(ingest, True)
        await process.reconciler.reconcile()
    assert (await ingest.calls.call("c")).pause_requested_by == "tester"
    await process.host.stop()


async def test_a_peer_that_pauses_keeps_its_pause_whoever_resumes_elsewhere(ingest: Ingest) -> None:
    """It is asked once to go on, and at no moment does the ledger have it that the call goes on."""
    process = Process(ingest, "0")
    call = await process.take()
    process.host.handle(call, Paused())
    await _until_paused(ingest, True)
    assert (await ingest.client.post("/v1/calls/c/resume")).is_success
    assert (await ingest.calls.call("c")).paused
    for _ in range(3):
        await process.reconciler.reconcile()
        while call.gate.ledger_differs:
            await asyncio.sleep(0)
    assert process.peer.asked == ["resume"]
    assert call.gate.closed
    process.host.handle(call, Resumed())
    await _until_paused(ingest, False)
    told = [CODEC.decode(row.value) for row in await ingest.rows(outbox)]
    assert [record.paused for record in told if isinstance(record, CallState)] == [False, True, False]
    await process.host.stop()


async def test_a_call_that_both_pause_moves_paused_by_both(ingest: Ingest) -> None:
    """It goes on once neither pauses it, whichever is first."""
    before, after = Process(ingest, "0"), Process(ingest, "1")
    call = await before.take()
    before.host.handle(call, Paused())
    await _until_paused(ingest, True)
    assert (await ingest.client.post("/v1/calls/c/pause")).is_success
    call = await after.take(resume=(0, 0))
    states = [call.gate.state]
    assert (await ingest.client.post("/v1/calls/c/resume")).is_success
    await after.reconciler.reconcile()
    states.append(call.gate.state)
    after.host.handle(call, Resumed())
    await _until_paused(ingest, False)
    assert [*states, call.gate.state] == [GateState.BY_BOTH, GateState.BY_PEER, GateState.OPEN]
    await before.host.stop()
    await after.host.stop()


async def _until_paused(ingest: Ingest, paused: bool) -> None:
    while (await ingest.calls.call("c")).paused is not paused:
        pass


async def test_a_call_that_moves_is_let_go(ingest: Ingest) -> None:
    """Its peer came back at another process; the one before says nothing of it any more, not even when it stops."""
    before, after = Process(ingest, "0"), Process(ingest, "1")
    await before.take()
    await ingest.calls.set_paused("c", True, by="desk")
    call = await after.take(resume=(0, 0))
    assert call.gate.closed
    await before.reconciler.reconcile()
    assert before.peer.asked == ["replaced"]
    await before.host.stop()
    assert "CallEnded" not in before.kinds
    assert (await ingest.calls.call("c")).instance == "1"
    await after.host.stop()


async def test_a_call_that_was_lost_ends_once(ingest: Ingest) -> None:
    """The next process of that name puts its end into the log, in the transaction that says so; nobody resumes it then."""
    await Process(ingest, "0").take()
    again, other = Process(ingest, "0"), Process(ingest, "1")
    for process in (other, again, again):
        await process.reconciler.recover()
        await process.reconciler.reconcile()
    view = await ingest.calls.call("c")
    assert (view.state, view.end_reason, view.complete) == (CallStatus.ENDING, "ingest_lost", False)
    ends = [row for row in await ingest.rows(outbox) if isinstance(CODEC.decode(row.value), CallEnded)]
    assert len(ends) == 1
    with pytest.raises(OfferRefused) as refused:
        await again.take(resume=(0, 0))
    assert refused.value.refusal is Refusal.CALL_ALREADY_ENDED
