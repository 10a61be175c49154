"""Streams of one call, one after the other: joined on the call's clock, and complete where each was."""

from dataclasses import replace
from pathlib import Path

import pytest
from steno_ingest.calls.doors.actions import Action, Audio, Ended, Left, Offered, ResumePoint
from steno_ingest.calls.doors.audio_format import AudioFormat
from steno_ingest.calls.doors.port import Refusal
from steno_ingest.calls.doors.twilio import TwilioDoor
from steno_ingest.calls.hosting.admission import OfferRefused
from steno_ingest.calls.hosting.hosted_call import HostedCall
from support.hosting import Hosting, ScriptedPeer

from steno.cli.clients.audio import CallAudio
from steno.cli.clients.stream import CallDescription
from steno.cli.clients.twilio import TwilioClient
from steno.events.records import AudioCodec, AudioGap, CallEnded, GapReason
from steno.tenants import Caller

SECOND = Audio(data=bytes(16_000))
STOPPED = Ended(complete=True, reason="hangup")
TORN = Ended(complete=False, reason="torn")
PLATFORM = Caller("twilio", "acme", key="1")


def spoken(*, channels: int = 2, stops: bool = True) -> list[Action]:
    """What a door says of a stream."""
    audio = CallAudio(path=Path("a.wav"), codec=AudioCodec.PCMU, sample_rate=8000, channels=channels)
    client = TwilioClient(CallDescription(call_id="c", roles=("customer", "agent")[:channels]), audio)
    door = TwilioDoor(rejoin_seconds=10)
    actions: list[Action] = []
    for message in (*client.connected(), *client.media(b"\1\2"[:channels] * 160), *([client.stop()] if stops else [])):
        for action in door.receive_text(message, now=0):
            actions.append(action)
            if isinstance(action, Offered):
                actions += door.accept(at=ResumePoint(sequence=0, position=0), now=0)
    return [*actions, *door.lose_connection()]


def stream(*, channels: int = 2) -> Offered:
    """A stream of the call, as its door offers it."""
    (offered,) = [action for action in spoken(channels=channels) if isinstance(action, Offered)]
    return offered


async def begun(hosting: Hosting, offered: Offered | None = None) -> tuple[HostedCall, ScriptedPeer]:
    """A stream is begun."""
    peer = ScriptedPeer(caller=PLATFORM)
    return await hosting.host.offer(offered or stream(), door="twilio", resumable=False, peer=peer), peer


async def ends(hosting: Hosting) -> list[tuple[bool, str, str]]:
    """The ends of calls."""
    await hosting.settle()
    return [(end.complete, end.reason, end.error) for end in hosting.log.records if isinstance(end, CallEnded)]


def test_a_stream_that_stops_leaves_its_call() -> None:
    """Nothing of the stream is missing, and another may come; one that is lost is torn."""
    assert spoken()[-1] == Left(reason="hangup", complete=True)
    assert spoken(stops=False)[-1] == TORN


@pytest.mark.parametrize(
    ("left", "complete", "reason"),
    [(STOPPED, True, GapReason.DISCARDED), (TORN, False, GapReason.LOST)],
    ids=["stopped", "torn"],
)
async def test_another_stream_goes_on_with_the_call(left: Ended, complete: bool, reason: GapReason) -> None:
    """The time between is a gap of it; where a stream was torn, a part is missing and the call is not complete."""
    hosting = Hosting()
    call, peer = await begun(hosting)
    hosting.host.handle(call, SECOND)
    hosting.host.lose_peer(call, peer, left)
    hosting.seconds = 9
    await hosting.reconciler.reconcile()
    again, later = await begun(hosting)
    assert again is call
    hosting.host.handle(call, SECOND)
    hosting.host.lose_peer(call, later, STOPPED)
    hosting.seconds = 19
    await hosting.reconciler.reconcile()
    assert await ends(hosting) == [(complete, "hangup", "")]
    (gap,) = [record for record in hosting.log.records if isinstance(record, AudioGap)]
    assert (gap.position, gap.length, gap.reason) == (8000, 9 * 8000, reason)


async def test_a_call_is_over_when_no_other_stream_comes() -> None:
    """After the time that is awaited, as its stream ended."""
    hosting = Hosting()
    call, peer = await begun(hosting)
    hosting.host.lose_peer(call, peer, STOPPED)
    hosting.seconds = 9
    await hosting.reconciler.reconcile()
    assert await ends(hosting) == []
    hosting.seconds = 10
    await hosting.reconciler.reconcile()
    assert await ends(hosting) == [(True, "hangup", "")]
    with pytest.raises(OfferRefused) as refused:
        await begun(hosting)
    assert refused.value.refusal is Refusal.CALL_ID_IN_USE


async def test_a_service_that_stops_awaits_nobody() -> None:
    """A call whose stream had ended is complete, however soon the service stops."""
    hosting = Hosting()
    call, peer = await begun(hosting)
    hosting.host.lose_peer(call, peer, STOPPED)
    await hosting.host.stop()
    assert await ends(hosting) == [(True, "hangup", "")]
    hosting = Hosting()
    call, peer = await begun(hosting)
    hosting.host.drain()
    hosting.host.lose_peer(call, peer, STOPPED)
    assert await ends(hosting) == [(True, "hangup", "")]


@pytest.mark.parametrize(
    "offered", [stream(channels=1), replace(stream(), format=AudioFormat(AudioCodec.PCMU, 16_000))], ids=["tracks", "rate"]
)
async def test_a_stream_that_is_not_as_before_does_not_go_on(offered: Offered) -> None:
    """Other tracks or another format are no part of the call; its id is in use."""
    hosting = Hosting()
    call, peer = await begun(hosting)
    hosting.host.lose_peer(call, peer, STOPPED)
    with pytest.raises(OfferRefused) as refused:
        await begun(hosting, offered)
    assert refused.value.refusal is Refusal.CALL_ID_IN_USE
