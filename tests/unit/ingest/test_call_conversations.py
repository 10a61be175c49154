"""Sessions of one conversation: which go on with a call, and which have one of their own."""

from dataclasses import dataclass, replace

import pytest
from steno_ingest.calls.doors.actions import Audio, Ended, Offered, Paused
from steno_ingest.calls.doors.port import Refusal
from steno_ingest.calls.hosting import admission
from steno_ingest.calls.hosting.admission import OfferRefused
from steno_ingest.calls.hosting.hosted_call import HostedCall
from support.hosting import Hosting, ScriptedPeer, offer

from steno.events.records import AudioGap, CallChannel, CallEnded, CallResumed, GapReason, Role
from steno.tenants import Caller

SECOND = Audio(data=bytes(8000))
TORN = Ended(complete=False, reason="torn")
HANGUP = Ended(complete=True, reason="hangup")
ONE, OTHER = Caller("audiohook", "acme", key="1"), Caller("audiohook", "acme", key="2")


def session(number: int, *, participant: str = "p", channels: int = 1) -> Offered:
    """A session of the conversation."""
    offered = offer("c", channels=channels)
    return replace(offered, conversation=f"c/{participant}", fallback_call_id=f"c.{number}")


@dataclass
class Conversation:
    """A conversation at a host."""

    hosting: Hosting

    async def opened(self, offered: Offered, caller: Caller = ONE) -> tuple[HostedCall, ScriptedPeer]:
        """A session is opened."""
        peer = ScriptedPeer(caller=caller)
        return await self.hosting.host.offer(offered, door="audiohook", resumable=False, peer=peer), peer

    async def ends(self) -> list[tuple[str, bool, str, str]]:
        """The calls that ended, and how."""
        await self.hosting.settle()
        records = self.hosting.log.records
        return [(end.call_id, end.complete, end.reason, end.error) for end in records if isinstance(end, CallEnded)]


@pytest.fixture
def made() -> Conversation:
    """Nothing has come yet."""
    return Conversation(Hosting())


async def test_a_session_that_comes_again_goes_on_with_its_call(made: Conversation) -> None:
    """What was said in between is missing of it, and so it is not complete."""
    call, peer = await made.opened(session(1))
    made.hosting.host.handle(call, SECOND)
    made.hosting.host.lose_peer(call, peer, TORN)
    made.hosting.seconds = 7
    await made.hosting.reconciler.reconcile()
    again, _ = await made.opened(session(2))
    assert again is call
    assert call.session.received.position == 8 * 8000
    made.hosting.host.handle(call, SECOND)
    call.end(HANGUP)
    assert await made.ends() == [("c", False, "hangup", "")]
    (gap,) = [record for record in made.hosting.log.records if isinstance(record, AudioGap)]
    assert (gap.position, gap.length, gap.reason) == (8000, 7 * 8000, GapReason.LOST)
    assert made.hosting.kinds.count("CallStarted") == 1


async def test_a_call_that_was_opened_too_late_loses_nothing(made: Conversation) -> None:
    """Its peer gave up before it sent anything: the call begins with the session that it opens then."""
    call, peer = await made.opened(session(1))
    made.hosting.host.lose_peer(call, peer, Ended(complete=False, reason="peer_error", error="408: not opened"))
    made.hosting.seconds = 7
    assert (await made.opened(session(2)))[0] is call
    made.hosting.host.handle(call, SECOND)
    call.end(HANGUP)
    assert await made.ends() == [("c", True, "hangup", "")]
    assert "AudioGap" not in made.hosting.kinds


async def test_a_call_whose_peer_does_not_come_again_is_over_as_it_left(made: Conversation) -> None:
    """After half a minute, with what the peer said."""
    call, peer = await made.opened(session(1))
    made.hosting.host.lose_peer(call, peer, Ended(complete=False, reason="peer_error", error="408: no pong"))
    made.hosting.seconds = 29
    await made.hosting.reconciler.reconcile()
    assert await made.ends() == []
    made.hosting.seconds = 30
    await made.hosting.reconciler.reconcile()
    assert await made.ends() == [("c", False, "peer_error", "408: no pong")]


@pytest.mark.parametrize(
    ("offered", "caller"),
    [
        (session(2), OTHER),
        (session(2, participant="q"), ONE),
        (session(2, channels=2), ONE),
        (replace(session(2), channels=(CallChannel(channel=0, role=Role.AGENT),)), ONE),
        (session(2), Caller("audiohook", "other", key="1")),
    ],
    ids=["key", "participant", "channels", "roles", "tenant"],
)
@pytest.mark.parametrize("left", [True, False], ids=["left", "there"])
async def test_who_is_another_has_a_call_of_its_own(made: Conversation, offered: Offered, caller: Caller, left: bool) -> None:
    """Two integrations on one conversation: neither is refused, or goes on with what the other brought."""
    call, peer = await made.opened(session(1))
    if left:
        made.hosting.host.lose_peer(call, peer, TORN)
    own, _ = await made.opened(offered, caller)
    assert own is not call
    assert (call.call_id, own.call_id) == ("c", "c.2")
    assert peer.asked == []


async def test_two_sessions_of_one_key_side_by_side_are_two_calls(made: Conversation) -> None:
    """One key for two integrations: that the first is there says that the second is not it."""
    call, _ = await made.opened(session(1))
    own, peer = await made.opened(session(2))
    assert own.call_id == "c.2"
    made.hosting.host.lose_peer(own, peer, TORN)
    assert (await made.opened(session(3)))[0] is own
    assert call.session.received.position == 0


async def test_a_session_after_the_end_is_another_call(made: Conversation) -> None:
    """A conversation that was transferred comes back to its queue."""
    call, _ = await made.opened(session(1))
    call.end(HANGUP)
    assert (await made.opened(session(2)))[0].call_id == "c.2"


async def test_a_peer_that_has_long_said_nothing_has_lost_its_session(made: Conversation) -> None:
    """TCP does not know of it yet: it is asked to leave, and what it still says counts nothing."""
    call, peer = await made.opened(session(1))
    peer.silent_seconds = 11
    again, newer = await made.opened(session(2))
    assert again is call
    assert peer.asked == ["replaced"]
    made.hosting.host.lose_peer(call, peer, TORN)
    assert (call.peer, call.held_until) == (newer, None)


async def test_a_pause_ends_with_the_session_that_asked_for_it(made: Conversation) -> None:
    """The time is the pause's; one that the API asked for stays."""
    call, peer = await made.opened(session(1))
    made.hosting.host.handle(call, SECOND)
    made.hosting.host.handle(call, Paused())
    made.hosting.host.lose_peer(call, peer, TORN)
    made.hosting.seconds = 5
    await made.opened(session(2))
    await made.hosting.settle()
    assert not call.gate.closed
    assert isinstance(resumed := made.hosting.log.records[-1], CallResumed)
    assert resumed.position == 6 * 8000
    await made.hosting.host.pause("c", by=Caller("desk", everything=True), reason="card")
    assert call.peer is not None
    made.hosting.host.lose_peer(call, call.peer, TORN)
    await made.opened(session(3))
    assert call.gate.closed


async def test_a_ledger_that_answers_too_late_keeps_the_call_for_the_session_that_comes_again(
    made: Conversation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its peer was told that the call is not taken, and opens another session."""
    monkeypatch.setattr(admission, "_LEDGER_SECONDS", 0.01)
    made.hosting.ledger.answering.clear()
    with pytest.raises(OfferRefused) as refused:
        await made.opened(session(1))
    assert refused.value.refusal is Refusal.LEDGER_AWAY
    made.hosting.ledger.answering.set()
    await made.hosting.settle()
    call, _ = await made.opened(session(2))
    assert call.call_id == "c"
    assert await made.ends() == []
    assert list(made.hosting.ledger.views) == ["c"]


async def test_a_stop_ends_calls_whose_peers_are_away_as_all_others(made: Conversation) -> None:
    """And one whose peer goes while the service stops."""
    call, peer = await made.opened(session(1))
    made.hosting.host.lose_peer(call, peer, TORN)
    other, another = await made.opened(session(2), OTHER)
    made.hosting.host.drain()
    made.hosting.host.lose_peer(other, another, TORN)
    await made.hosting.host.stop()
    assert sorted(await made.ends()) == [("c", False, "service_stopping", ""), ("c.2", False, "service_stopping", "")]
