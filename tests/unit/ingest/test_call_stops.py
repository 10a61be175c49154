"""What becomes of calls when the service stops."""

import asyncio

import pytest
from steno_ingest.calls.doors.actions import Audio
from steno_ingest.calls.doors.port import Refusal
from steno_ingest.calls.hosting.admission import OfferRefused
from steno_ingest.calls.hosting.hosted_call import HostedCall
from support.hosting import Hosting, ScriptedPeer, offer

from steno.events.records import CallEnded

SECOND = Audio(data=bytes(8000))


async def taken(hosting: Hosting, call_id: str = "c", *, door: str = "stream") -> HostedCall:
    """A call that was taken in."""
    return await hosting.host.offer(offer(call_id), door=door, resumable=door == "stream", peer=ScriptedPeer())


async def test_a_stop_ends_what_cannot_go_on_elsewhere() -> None:
    """Calls whose peers come back stay open, with all that was received on the log; others are ended torn."""
    hosting = Hosting()
    resumable = await taken(hosting, "a")
    await taken(hosting, "b", door="twilio")
    hosting.host.handle(resumable, SECOND)
    await hosting.host.stop()
    ends = [record for record in hosting.log.records if isinstance(record, CallEnded)]
    assert [(end.call_id, end.complete, end.reason) for end in ends] == [("b", False, "service_stopping")]
    assert hosting.kinds.count("AudioChunk") == 10
    with pytest.raises(OfferRefused) as refused:
        await taken(hosting, "d")
    assert refused.value.refusal is Refusal.SERVICE_STOPPING


async def test_a_call_whose_peer_does_not_come_back_after_a_stop_ends_as_all_others() -> None:
    """The next process finds why it was left; it was not killed."""
    hosting = Hosting()
    await taken(hosting)
    await hosting.host.stop()
    following = Hosting()
    following.ledger.views = hosting.ledger.views
    await following.reconciler.recover()
    following.seconds = 31
    await following.reconciler.reconcile()
    assert following.ledger.views["c"].end_reason == "service_stopping"


async def test_a_stop_goes_on_without_the_ledger() -> None:
    """A database that is away holds up no stop."""
    hosting = Hosting()
    call = await taken(hosting)
    hosting.ledger.away = True
    await asyncio.wait_for(hosting.host.stop(), 5)
    assert call.over


async def test_a_stop_does_not_wait_for_ever_for_kafka() -> None:
    """What Kafka does not take in time is left; the next process finds the call open."""
    hosting = Hosting()
    hosting.log.taking.clear()
    await taken(hosting, door="twilio")
    await asyncio.wait_for(hosting.host.stop(), 5)
    await asyncio.wait_for(hosting.host.run(), 5)
    assert not hosting.log.records
