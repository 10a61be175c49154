"""The calls of a process: taken, paused, lost, resumed, ended, and found again."""

import asyncio

import pytest
from steno_ingest.calls.doors.actions import Audio, Ended, Paused, Resumed
from steno_ingest.calls.doors.port import Refusal
from steno_ingest.calls.hosting import admission
from steno_ingest.calls.hosting.admission import OfferRefused
from steno_ingest.calls.hosting.hosted_call import HostedCall
from steno_ingest.calls.ledger.pauses import GateState
from support.hosting import Hosting, MemoryLedger, ScriptedPeer, offer

from steno.events.records import AudioChunk, CallEnded, CallPaused, CallStarted
from steno.tenants import Caller

SECOND = Audio(data=bytes(8000))
TORN = Ended(complete=False, reason="torn")
HANGUP = Ended(complete=True, reason="hangup")


async def taken(hosting: Hosting, call_id: str = "c", *, door: str = "stream") -> tuple[HostedCall, ScriptedPeer]:
    """A call that was taken in."""
    peer = ScriptedPeer()
    return await hosting.host.offer(offer(call_id), door=door, resumable=door == "stream", peer=peer), peer


async def refusal(hosting: Hosting, call_id: str = "c", **about: object) -> Refusal:
    """Why a call is refused."""
    with pytest.raises(OfferRefused) as refused:
        await hosting.host.offer(offer(call_id, **about), door="stream", resumable=True, peer=ScriptedPeer())  # type: ignore[arg-type]
    return refused.value.refusal


async def ending(hosting: Hosting) -> tuple[bool, str, int]:
    """How the last call on the log ended."""
    await hosting.settle()
    end = hosting.log.records[-1]
    assert isinstance(end, CallEnded)
    return end.complete, end.reason, end.position


async def test_a_call_is_accepted_before_kafka_has_it() -> None:
    """The peer waits for the ledger, and never for the log; what it sends meanwhile follows in order."""
    hosting = Hosting()
    hosting.log.taking.clear()
    call, _ = await taken(hosting)
    hosting.host.handle(call, SECOND)
    call.end(HANGUP)
    await hosting.settle()
    assert not hosting.log.records
    assert not call.settled
    hosting.log.taking.set()
    await hosting.settle()
    assert hosting.kinds == ["CallStarted", *["AudioChunk"] * 10, "CallEnded"]
    assert call.settled


async def test_calls_that_cannot_be_taken_are_refused() -> None:
    """An id in use, a ledger that is away, too many calls, a service that stops: each with its reason."""
    hosting = Hosting(max_calls=1)
    await taken(hosting)
    assert await refusal(hosting, "other") is Refusal.TOO_MANY_CALLS
    hosting = Hosting()
    await taken(hosting)
    assert await refusal(hosting) is Refusal.CALL_ID_IN_USE
    assert await refusal(hosting, "") is Refusal.NOT_VALID
    assert await refusal(hosting, "unheard-of", resume=(8, 6400)) is Refusal.NO_SUCH_CALL
    assert await refusal(hosting, resume=(0, 0), channels=2) is Refusal.NOT_AS_BEFORE
    hosting.ledger.away = True
    assert await refusal(hosting, "other") is Refusal.LEDGER_AWAY
    hosting.host.drain()
    assert await refusal(hosting, "other") is Refusal.SERVICE_STOPPING


async def refused_late(hosting: Hosting, monkeypatch: pytest.MonkeyPatch, *, door: str, **about: object) -> None:
    """A call is offered, and the ledger takes it in when its peer has been told that it cannot be."""
    monkeypatch.setattr(admission, "_LEDGER_SECONDS", 0.01)
    hosting.ledger.answering.clear()
    with pytest.raises(OfferRefused) as refused:
        await hosting.host.offer(offer(**about), door=door, resumable=door == "stream", peer=ScriptedPeer())  # type: ignore[arg-type]
    assert refused.value.refusal is Refusal.LEDGER_AWAY


async def test_a_ledger_that_answers_too_late_keeps_no_peer_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """The call is refused in time; the ledger took it in all the same, so it is ended on the log."""
    hosting = Hosting()
    await refused_late(hosting, monkeypatch, door="audiohook")
    hosting.ledger.answering.set()
    await hosting.settle()
    assert hosting.kinds == ["CallStarted", "CallEnded"]
    assert await ending(hosting) == (False, "refused", 0)


async def test_a_peer_that_can_come_back_is_awaited_where_the_ledger_answered_too_late(monkeypatch: pytest.MonkeyPatch) -> None:
    """It was told to try again soon: the call that the ledger has meanwhile is the one it comes back for."""
    hosting = Hosting()
    await refused_late(hosting, monkeypatch, door="stream")
    hosting.ledger.answering.set()
    await hosting.settle()
    assert list(hosting.host.registry.awaited) == ["c"]
    await hosting.host.offer(offer(resume=(0, 0)), door="stream", resumable=True, peer=ScriptedPeer())
    await hosting.settle()
    assert hosting.host.registry.awaited == {}
    assert hosting.kinds[0] == "CallStarted"


async def test_a_peer_that_was_told_of_nothing_begins_its_call_by_coming_back() -> None:
    """Its connection was lost before it was told that the call is taken, and perhaps before the ledger was asked."""
    hosting = Hosting()
    await hosting.host.offer(offer(resume=(0, 0)), door="stream", resumable=True, peer=ScriptedPeer())
    await hosting.settle()
    assert hosting.kinds == ["CallStarted"]


async def test_an_answer_that_comes_too_late_ends_no_call_that_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its peer asked again and was let in before the answer to its first question came."""
    hosting = Hosting()
    await taken(hosting)
    (call,) = hosting.host.calls.values()
    call.abandon()
    await refused_late(hosting, monkeypatch, door="stream", resume=(0, 0))
    again = asyncio.create_task(hosting.host.offer(offer(resume=(0, 0)), door="stream", resumable=True, peer=ScriptedPeer()))
    hosting.ledger.answering.set()
    await again
    await hosting.settle()
    assert hosting.host.registry.awaited == {}


async def test_a_pause_by_the_peer_is_kept() -> None:
    """The gate closes first, and the ledger knows, so that it stays closed wherever the call goes on."""
    hosting = Hosting()
    call, _ = await taken(hosting)
    hosting.host.handle(call, Paused())
    hosting.host.handle(call, SECOND)
    await hosting.settle()
    assert hosting.ledger.views["c"].paused
    hosting.host.handle(call, Resumed())
    await hosting.settle()
    assert not hosting.ledger.views["c"].paused
    assert hosting.kinds == ["CallStarted", "CallPaused", "CallResumed"]


async def test_a_peer_that_pauses_without_end_costs_the_ledger_no_more_than_one_that_pauses() -> None:
    """The ledger is told how the gate stands when its turn comes, and not of each change: its turns are everybody's."""
    hosting = Hosting()
    call, _ = await taken(hosting)
    before = hosting.ledger.gate_writes
    hosting.ledger.answering.clear()
    for _ in range(500):
        hosting.host.handle(call, Paused())
        hosting.host.handle(call, Resumed())
    hosting.host.handle(call, Paused())
    await hosting.settle()
    hosting.ledger.answering.set()
    await hosting.settle()
    assert hosting.ledger.gate_writes - before <= 2
    assert hosting.ledger.views["c"].paused
    hosting.host.handle(call, Resumed())
    await hosting.settle()
    assert not hosting.ledger.views["c"].paused


async def test_a_call_that_begins_paused_is_paused_in_the_ledger() -> None:
    """From its first record on."""
    hosting = Hosting()
    await hosting.host.offer(offer(paused=True), door="stream", resumable=True, peer=ScriptedPeer())
    await hosting.settle()
    assert hosting.kinds == ["CallStarted", "CallPaused"]
    assert hosting.ledger.views["c"].paused


async def test_a_pause_by_the_api_closes_the_gate_at_once() -> None:
    """The peer is asked too; its own `resumed` does not open what it did not close, and it is asked again."""
    hosting = Hosting()
    call, peer = await taken(hosting)
    assert await hosting.host.pause("c", by=Caller("desk", everything=True), reason="card")
    hosting.host.handle(call, SECOND)
    hosting.host.handle(call, Paused())
    hosting.host.handle(call, Resumed())
    assert call.gate.closed
    assert await hosting.host.resume("c", by=Caller("desk", everything=True))
    assert peer.asked == ["pause", "pause", "resume"]
    await hosting.settle()
    assert hosting.kinds == ["CallStarted", "CallPaused", "CallResumed"]
    assert not await hosting.host.pause("unheard-of", by=Caller("desk", everything=True), reason="")


async def test_the_api_does_not_open_what_the_peer_closed() -> None:
    """It asks the peer, and the ledger has the call paused until the peer goes on."""
    hosting = Hosting()
    call, peer = await taken(hosting)
    hosting.host.handle(call, Paused())
    await hosting.settle()
    await hosting.ledger.set_paused("c", False, by="desk")
    assert not await hosting.host.resume("c", by=Caller("desk", everything=True))
    await hosting.settle()
    assert peer.asked == ["resume"]
    assert hosting.ledger.views["c"].paused
    hosting.host.handle(call, Resumed())
    assert not call.gate.closed


async def test_what_is_asked_elsewhere_is_done_here() -> None:
    """A pause, its end, and the end of the call, as the ledger says."""
    hosting = Hosting()
    call, peer = await taken(hosting)
    await hosting.ledger.set_paused("c", True, by="desk", reason="card")
    await hosting.reconciler.reconcile()
    hosting.host.handle(call, SECOND)
    await hosting.ledger.set_paused("c", False, by="desk")
    await hosting.reconciler.reconcile()
    hosting.ledger.change("c", end_requested_by="desk")
    await hosting.reconciler.reconcile()
    assert peer.asked == ["pause", "resume", "ended_by_api"]
    assert await ending(hosting) == (False, "closed", 8000)
    assert hosting.kinds == ["CallStarted", "CallPaused", "CallResumed", "CallEnded"]
    paused = hosting.log.records[1]
    assert isinstance(paused, CallPaused)
    assert (paused.requested_by, paused.reason) == ("desk", "card")


async def test_a_peer_that_is_away_is_asked_to_go_on_when_it_is_back() -> None:
    """Only it pauses the call: until then the ledger keeps that somebody asked."""
    hosting = Hosting()
    call, peer = await taken(hosting)
    hosting.host.handle(call, Paused())
    await hosting.settle()
    hosting.host.lose_peer(call, peer, TORN)
    await hosting.ledger.set_paused("c", False, by="desk")
    await hosting.reconciler.reconcile()
    await hosting.settle()
    assert hosting.ledger.views["c"].resume_asked_by == "desk"
    back = ScriptedPeer()
    await hosting.host.offer(offer(resume=(0, 0)), door="stream", resumable=True, peer=back)
    await hosting.reconciler.reconcile()
    await hosting.settle()
    assert back.asked == ["resume"]
    assert hosting.ledger.views["c"].resume_asked_by == ""


async def test_an_answer_that_is_older_than_a_pause_opens_nothing() -> None:
    """The ledger was asked before it knew of the pause: what it said then does not count."""
    hosting = Hosting()
    call, _ = await taken(hosting)
    call.gate.note_ledger(GateState.BY_SERVICE)
    looked = asyncio.create_task(_slowly(hosting))
    await hosting.settle()
    await hosting.host.pause("c", by=Caller("desk", everything=True), reason="")
    await hosting.host.note_pause_stored("c")
    hosting.ledger.answering.set()
    await looked
    assert call.gate.closed


async def _slowly(hosting: Hosting) -> None:
    """The ledger says how calls stood when it was asked, and says so late."""
    before = await MemoryLedger.standing(hosting.ledger, instance="0")

    async def standing(*, instance: str) -> object:
        await hosting.ledger.answering.wait()
        return before

    hosting.ledger.answering.clear()
    hosting.ledger.standing = standing  # type: ignore[assignment,method-assign]
    await hosting.reconciler.reconcile()


async def test_a_lost_connection_is_held_for_a_peer_that_can_come_back() -> None:
    """It goes on behind all that was received; after half a minute the call is ended torn."""
    hosting = Hosting()
    call, peer = await taken(hosting)
    hosting.host.handle(call, Audio(data=bytes(850)))
    hosting.host.lose_peer(call, peer, TORN)
    hosting.seconds = 29
    await hosting.reconciler.reconcile()
    again = ScriptedPeer()
    assert await hosting.host.offer(offer(resume=(1, 800)), door="stream", resumable=True, peer=again) is call
    assert call.session.received.position == 850
    hosting.host.lose_peer(call, again, TORN)
    hosting.seconds = 59
    await hosting.reconciler.reconcile()
    assert await ending(hosting) == (False, "torn", 850)


async def test_a_lost_connection_of_others_is_the_end_of_their_call() -> None:
    """At once, as their door says."""
    hosting = Hosting()
    call, peer = await taken(hosting, door="twilio")
    hosting.host.lose_peer(call, peer, TORN)
    assert await ending(hosting) == (False, "torn", 0)


async def test_a_peer_that_comes_back_replaces_its_old_connection() -> None:
    """The old one is asked to leave, and that it is lost then is of no consequence."""
    hosting = Hosting()
    call, old = await taken(hosting)
    await hosting.host.offer(offer(resume=(0, 0)), door="stream", resumable=True, peer=ScriptedPeer())
    hosting.host.lose_peer(call, old, TORN)
    assert old.asked == ["replaced"]
    assert call.held_until is None


async def test_a_peer_that_comes_back_to_a_call_it_has_ended_learns_that_all_is_safe() -> None:
    """It may have lost the connection before; a call that was torn is over, and one that is forgotten too."""
    hosting = Hosting()
    call, peer = await taken(hosting)
    call.end(HANGUP)
    hosting.host.lose_peer(call, peer, TORN)
    await hosting.settle()
    assert await hosting.host.offer(offer(resume=(0, 0)), door="stream", resumable=True, peer=ScriptedPeer()) is call
    torn, _ = await taken(hosting, "torn")
    torn.end(TORN)
    assert await refusal(hosting, "torn", resume=(0, 0)) is Refusal.CALL_ALREADY_ENDED
    hosting.seconds = 100
    await hosting.settle()
    await hosting.reconciler.reconcile()
    assert "c" not in hosting.host.calls


async def test_a_call_that_goes_on_elsewhere_ends_nothing_here() -> None:
    """No record comes from here any more, and a peer that is still here is asked to leave."""
    hosting = Hosting()
    call, peer = await taken(hosting)
    hosting.ledger.change("c", instance="1")
    await hosting.reconciler.reconcile()
    hosting.host.handle(call, SECOND)
    call.end(HANGUP)
    await hosting.settle()
    assert hosting.kinds == ["CallStarted"]
    assert peer.asked == ["replaced"]


async def test_a_call_of_another_process_goes_on_here() -> None:
    """From where its peer says, paused where the ledger says so, and not begun twice."""
    hosting = Hosting()
    started = (await taken(Hosting()))[0].session.started
    await hosting.ledger.begin(started, door="stream", instance="1", paused=False, chunk_ms=100)
    await hosting.ledger.set_paused("c", True, by="desk", reason="card")
    peer = ScriptedPeer()
    call = await hosting.host.offer(offer(resume=(3, 2400)), door="stream", resumable=True, peer=peer)
    hosting.host.handle(call, SECOND)
    hosting.host.handle(call, Resumed())
    assert call.gate.closed
    await hosting.host.resume("c", by=Caller("desk", everything=True))
    hosting.host.handle(call, Audio(data=bytes(800)))
    await hosting.settle()
    assert hosting.kinds == ["CallPaused", "CallResumed", "AudioChunk"]
    chunk = hosting.log.records[-1]
    assert isinstance(chunk, AudioChunk)
    assert chunk.position == 10_400
    assert hosting.ledger.views["c"].instance == "0"


async def test_calls_of_the_process_before_are_ended_or_awaited() -> None:
    """Torn at once where nobody can come back, else after half a minute; whoever comes back in time goes on."""
    hosting = Hosting()
    for call_id, door in (("a", "twilio"), ("b", "stream"), ("c", "stream")):
        started = CallStarted.model_validate({**(await taken(Hosting()))[0].session.started.model_dump(), "call_id": call_id})
        await hosting.ledger.begin(started, door=door, instance="0", paused=False, chunk_ms=100)
    await hosting.reconciler.recover()
    await hosting.reconciler.reconcile()
    assert [view.call_id for view in await hosting.ledger.open_calls()] == ["b", "c"]
    assert hosting.ledger.views["a"].end_reason == "ingest_lost"
    await hosting.host.offer(offer("b", resume=(0, 0)), door="stream", resumable=True, peer=ScriptedPeer())
    hosting.seconds = 31
    await hosting.reconciler.reconcile()
    assert [view.call_id for view in await hosting.ledger.open_calls()] == ["b"]


@pytest.mark.parametrize("connected", [True, False], ids=["connected", "away"])
async def test_a_call_that_goes_on_for_too_long_is_ended_once(connected: bool) -> None:
    """At the door, where its audio is; its peer is told, and cannot come back for it."""
    hosting = Hosting()
    call, peer = await taken(hosting)
    hosting.host.handle(call, SECOND)
    hosting.seconds = 12 * 3600 - 1
    await hosting.reconciler.reconcile()
    assert not call.over
    if not connected:
        hosting.host.lose_peer(call, peer, TORN)
    hosting.seconds += 1
    for _ in range(3):
        await hosting.reconciler.reconcile()
    assert await ending(hosting) == (False, "too_long", 8000)
    assert hosting.kinds.count("CallEnded") == 1
    assert peer.asked == (["too_long"] if connected else [])
    assert await refusal(hosting, resume=(0, 0)) is Refusal.CALL_ALREADY_ENDED


async def test_nobody_goes_on_with_somebody_elses_call() -> None:
    """While its peer is there, while it is awaited, and once it is over: the answer is that of no call; its peer stays."""
    hosting = Hosting()
    call, peer = await taken(hosting)
    stranger = ScriptedPeer(caller=Caller("other", "other"))

    async def tried(resume: tuple[int, int] | None) -> Refusal:
        with pytest.raises(OfferRefused) as refused:
            await hosting.host.offer(offer(resume=resume), door="stream", resumable=True, peer=stranger)
        return refused.value.refusal

    assert await tried((1, 800)) is Refusal.NO_SUCH_CALL
    assert await tried(None) is Refusal.CALL_ID_IN_USE
    assert (call.peer, peer.asked) == (peer, [])
    hosting.host.lose_peer(call, peer, TORN)
    assert await tried((1, 800)) is Refusal.NO_SUCH_CALL
    assert call.peer is None
    call.end(HANGUP)
    assert await tried((1, 800)) is Refusal.NO_SUCH_CALL
    assert [record.tenant for record in hosting.log.records if isinstance(record, CallStarted)] == ["acme"]


async def test_another_key_of_the_tenant_goes_on_with_a_call() -> None:
    """A key is replaced while calls run."""
    hosting = Hosting()
    call, _ = await taken(hosting)
    again = ScriptedPeer(caller=Caller("newer", "acme", key="2"))
    assert await hosting.host.offer(offer(resume=(1, 800)), door="stream", resumable=True, peer=again) is call
    assert call.peer is again


async def test_nobody_pauses_somebody_elses_call() -> None:
    """Its gate stays as it is."""
    hosting = Hosting()
    call, _ = await taken(hosting)
    assert not await hosting.host.pause("c", by=Caller("other", "other"), reason="")
    assert not call.gate.closed
    assert await hosting.host.pause("c", by=Caller("desk", "acme"), reason="")


async def test_a_call_is_awaited_on_when_a_stranger_asks_for_it() -> None:
    """One that was lost with the process before: who it is not for does not make it forgotten."""
    hosting = Hosting()
    started = (await taken(Hosting()))[0].session.started
    await hosting.ledger.begin(started, door="stream", instance="0", paused=False, chunk_ms=100)
    await hosting.reconciler.recover()
    before = dict(hosting.host.registry.awaited)
    with pytest.raises(OfferRefused):
        await hosting.host.offer(
            offer(resume=(1, 800)), door="stream", resumable=True, peer=ScriptedPeer(caller=Caller("other", "other"))
        )
    assert list(before) == ["c"]
    assert hosting.host.registry.awaited == before


async def lost_with_the_process_before(hosting: Hosting) -> None:
    """A call that is awaited."""
    started = (await taken(Hosting()))[0].session.started
    await hosting.ledger.begin(started, door="stream", instance="0", paused=False, chunk_ms=100)
    await hosting.reconciler.recover()


@pytest.mark.parametrize("end", ["refused", "cancelled"])
async def test_a_resume_that_comes_to_nothing_ends_no_call_that_goes_on(end: str) -> None:
    """While the ledger was asked for a stranger, the call's own peer came back."""
    hosting = Hosting()
    await lost_with_the_process_before(hosting)
    hosting.ledger.answering.clear()
    stranger = ScriptedPeer(caller=Caller("other", "other"))
    asked = asyncio.create_task(hosting.host.offer(offer(resume=(1, 800)), door="stream", resumable=True, peer=stranger))
    await hosting.settle()
    reached, hosting.ledger.answering = hosting.ledger.answering, asyncio.Event()
    hosting.ledger.answering.set()
    call = await hosting.host.offer(offer(resume=(1, 800)), door="stream", resumable=True, peer=ScriptedPeer())
    if end == "cancelled":
        asked.cancel()
    reached.set()
    with pytest.raises(OfferRefused if end == "refused" else asyncio.CancelledError):
        await asked
    hosting.seconds = 31
    await hosting.reconciler.reconcile()
    assert hosting.host.registry.awaited == {}
    assert hosting.ledger.views["c"].open
    assert not call.over


async def test_a_call_is_awaited_on_when_a_resume_is_cancelled() -> None:
    """A peer that goes while the ledger is asked leaves the call to be ended if nobody comes back."""
    hosting = Hosting()
    await lost_with_the_process_before(hosting)
    hosting.ledger.answering.clear()
    asked = asyncio.create_task(hosting.host.offer(offer(resume=(1, 800)), door="stream", resumable=True, peer=ScriptedPeer()))
    await hosting.settle()
    asked.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asked
    assert list(hosting.host.registry.awaited) == ["c"]


async def test_a_call_that_goes_on_here_is_not_ended_as_lost() -> None:
    """Whatever still has it awaited."""
    hosting = Hosting()
    call, _ = await taken(hosting)
    hosting.host.registry.await_peer("c", until=0)
    await hosting.reconciler.reconcile()
    assert hosting.ledger.views["c"].open
    assert hosting.host.registry.awaited == {}
    assert not call.over
