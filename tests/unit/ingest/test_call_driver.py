"""One connection of a peer: what it costs when the peer is slow, silent, too fast or wrong."""

import asyncio
import json

import pytest
from prometheus_client import REGISTRY
from steno_ingest.calls.doors.actions import Action, Close, SendText
from steno_ingest.calls.doors.stream import StreamDoor
from steno_ingest.calls.doors.twilio import TwilioDoor
from steno_ingest.calls.doors.twilio_stream_group import StreamGroups
from steno_ingest.calls.hosting import caption_feed
from steno_ingest.calls.hosting.outgoing import Outgoing, PeerNotReading
from structlog.testing import capture_logs
from support.calls import live_phrase
from support.hosting import ScriptedPeer, offer
from support.websocket_connection import START, MemoryConnection, open_connection

from steno.events import ids
from steno.events.records import CallEnded, CallStatus, CallUpdated, Hypothesis
from steno.tenants import Caller


def hypothesis(number: int) -> Hypothesis:
    """A hypothesis of the live pass."""
    return Hypothesis(
        call_id="call-1",
        recording_id=ids.live_pass_id("call-1"),
        phrase_id="p",
        revision=number,
        channel=0,
        start_ms=0,
        duration_ms=100,
        text="good morning",
    )


async def test_a_peer_hears_what_is_understood_of_its_call() -> None:
    """Captions of the live pass, and none of another pass over the same call."""
    async with open_connection() as (made, _):
        made.understand(hypothesis(1))
        made.understand(live_phrase(0))
        made.understand(live_phrase(1, recording_id="a-better-pass"))
        await made.hosting.settle()
        assert made.wire.told == ["started", "hypothesis", "phrase"]


async def test_captions_that_are_away_are_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """A call goes on without them."""
    monkeypatch.setattr(caption_feed, "_RETRY_SECONDS", 0)
    made = MemoryConnection()
    made.captions.away = 2
    running = asyncio.create_task(made.connection.run())
    made.wire.say(START)
    made.understand(live_phrase(0))
    await made.hosting.settle()
    made.wire.hang()
    await running
    assert made.wire.told == ["started", "phrase"]


async def test_a_peer_that_never_reads_holds_no_memory() -> None:
    """Hypotheses are left out first; when even phrases pile up the connection is ended, and the call held."""
    async with open_connection() as (made, running):
        made.wire.reading.clear()
        for number in range(500):
            made.understand(hypothesis(number))
        await made.hosting.settle()
        assert not running.done()
        for number in range(1200):
            made.understand(live_phrase(number))
        await asyncio.wait_for(running, 5)
        assert made.hosting.host.calls["call-1"].held_until is not None


async def test_a_silent_peer_has_lost_its_connection() -> None:
    """After the idle time the connection is ended, and the call held."""
    async with open_connection() as (made, running):
        made.tick(59)
        assert not running.done()
        made.tick(2)
        await asyncio.wait_for(running, 5)
        assert made.hosting.host.calls["call-1"].held_until == 61 + 30


async def test_pings_are_a_sign_of_life() -> None:
    """Those of the WebSocket, of which no message tells; once they end, the connection is idle."""
    async with open_connection() as (made, running):
        for _ in range(5):
            made.heartbeats += 1
            made.tick(50)
        assert not running.done()
        made.tick(61)
        await asyncio.wait_for(running, 5)


async def test_a_connection_that_was_replaced_says_nothing_more_of_the_call() -> None:
    """Another one has it: audio, and an end, that were on their way are not the call's."""
    async with open_connection() as (made, _):
        call = made.hosting.host.calls["call-1"]
        again = ScriptedPeer(caller=made.caller)
        await made.hosting.host.offer(offer("call-1", resume=(0, 0), channels=2), door="stream", resumable=True, peer=again)
        made.wire.speak(bytes(1600))
        made.wire.say({"type": "end"})
        await made.hosting.settle()
        assert not call.over
        assert call.session.received.position == 0


async def test_a_connection_without_a_call_does_not_stay() -> None:
    """Pings keep it from being idle, but it has a place that calls need."""
    made = MemoryConnection()
    running = asyncio.create_task(made.connection.run())
    for _ in range(6):
        made.wire.say({"type": "ping"})
        await made.hosting.settle()
        made.tick(9)
    assert not running.done()
    made.tick(9)
    await asyncio.wait_for(running, 5)
    assert set(made.wire.told) == {"pong"}


async def test_a_peer_that_is_too_fast_is_slowed_down() -> None:
    """While Kafka takes nothing, no more than some seconds of audio are read; nobody is cut off for waiting."""
    async with open_connection() as (made, running):
        made.hosting.log.taking.clear()
        for _ in range(100):
            made.wire.speak(bytes(8000))
        await made.hosting.settle()
        left = made.wire.incoming.qsize()
        assert left > 50
        made.tick(600)
        assert not running.done()
        made.hosting.log.taking.set()
        while made.wire.incoming.qsize():
            await asyncio.sleep(0)
        await made.hosting.settle()
        assert made.hosting.host.calls["call-1"].session.received.position == 400_000


async def test_a_frame_that_is_too_large_is_the_end_of_its_call() -> None:
    """The server below has closed with 1009: that is no lost connection to be held for."""
    async with open_connection() as (made, running):
        made.wire.hang(1009)
        await asyncio.wait_for(running, 5)
        await made.hosting.settle()
        end = made.hosting.log.records[-1]
        assert isinstance(end, CallEnded)
        assert (end.reason, end.error) == ("protocol_error", "a frame was larger than 65536 bytes")


async def test_a_door_that_fails_ends_its_own_connection() -> None:
    """The error is raised by that connection, not by what ticks all of them."""

    class Broken(StreamDoor):
        def tick(self, *, now: float) -> list[Action]:
            raise RuntimeError(f"broken at {now:g}")

    async with open_connection(Broken()) as (made, running):
        made.tick(1)
        with pytest.raises(RuntimeError, match="broken at 1"):
            await running
        assert made.hosting.host.calls["call-1"].peer is None


async def test_a_peer_is_told_how_far_its_audio_is_safe() -> None:
    """What Kafka has acknowledged, with the next tick."""
    async with open_connection() as (made, _):
        made.wire.speak(bytes(1700))
        await made.hosting.settle()
        made.tick(1)
        await made.hosting.settle()
        ack = json.loads(made.wire.sent[-1]["text"])
        assert (ack["type"], ack["position"]) == ("ack", 800)


async def test_a_peer_that_resumes_what_the_api_holds_is_told_so() -> None:
    """It hears `paused` again."""
    async with open_connection() as (made, _):
        await made.hosting.host.pause("call-1", by=Caller("desk", everything=True), reason="")
        made.wire.say({"type": "resume"})
        await made.hosting.settle()
        assert made.wire.told == ["started", "paused", "resumed", "paused"]


async def test_a_peer_that_does_not_leave_is_closed() -> None:
    """A few seconds after it was asked; one that does not even answer the close is cut off."""
    async with open_connection() as (made, running):
        made.driver.ask_to_leave("service_stopping")
        await made.hosting.settle()
        assert made.wire.told[-1] == "1012"
        made.tick(6)
        await asyncio.wait_for(running, 5)


async def test_a_connection_outlives_its_call_for_captions_only_so_long() -> None:
    """The end of the call is told; a peer that never goes is closed."""
    async with open_connection() as (made, _):
        made.wire.say({"type": "end"})
        await made.hosting.settle()
        made.tick(1)
        made.tick(30)
        await made.hosting.settle()
        assert made.wire.told[-2:] == ["ended", "1000"]


async def test_nothing_is_taken_behind_a_close() -> None:
    """A line of messages ends with it, and is bounded in messages and bytes."""
    outgoing = Outgoing()
    outgoing.put(SendText(text="a"))
    outgoing.close(Close())
    outgoing.put(SendText(text="b"))
    assert [await outgoing.get(), await outgoing.get()] == [SendText(text="a"), Close()]
    with pytest.raises(PeerNotReading, match="bytes wait"):
        Outgoing().put(SendText(text="x" * (1 << 21)))


async def test_updates_beyond_what_is_kept_of_a_call_end_it_with_the_error_of_the_protocol() -> None:
    """Forty updates of new properties: those that fit are on the log, the peer is told why the next was not, and closed."""
    async with open_connection() as (made, _):
        for number in range(40):
            made.wire.say({"type": "update", "properties": {f"p{number}-{i}": "x" * 1000 for i in range(3)}})
        await made.hosting.settle()
        *_, error, close = made.wire.sent
        assert json.loads(error["text"])["code"] == "not_valid"
        assert "32768 are kept" in json.loads(error["text"])["message"]
        assert close["reason"] == "not_valid"
        records = made.hosting.log.records
        told: dict[str, str] = {}
        for record in records:
            told |= record.properties if isinstance(record, CallUpdated) else {}
        assert 0 < sum(len(value) for value in told.values()) <= 32_768
        (ended,) = [record for record in records if isinstance(record, CallEnded)]
        assert (ended.complete, ended.reason) == (False, "protocol_error")


async def test_one_update_that_is_too_large_by_itself_is_refused_by_its_field() -> None:
    """60 kB in one message: the fault names the field and what is kept."""
    for properties in ({"p": "x" * 60_000}, {f"p{i}": "x" * 1000 for i in range(60)}, {f"p{i}": "" for i in range(65)}):
        async with open_connection() as (made, _):
            made.wire.say({"type": "update", "properties": properties})
            await made.hosting.settle()
            error = json.loads(made.wire.sent[-2]["text"])
            assert error["code"] == "not_valid"
            assert error["message"].startswith("update.properties: ")


async def test_a_peer_whose_start_kafka_refuses_is_told_and_its_call_fails() -> None:
    """The ledger has the reason, and nothing of the call goes to the log."""
    made = MemoryConnection()
    made.hosting.log.refuses_starts = True
    running = asyncio.create_task(made.connection.run())
    made.wire.say(START)
    await made.hosting.settle()
    assert made.wire.told == ["started", "error", "1008"]
    assert "the start is too large" in json.loads(made.wire.sent[1]["text"])["message"]
    view = made.hosting.ledger.views["call-1"]
    assert (view.state, view.error, made.hosting.log.records) == (CallStatus.FAILED, "record_refused", [])
    made.wire.hang()
    await running


def look_twice(made: MemoryConnection) -> None:
    """Keys are looked at, as often as it takes."""
    made.driver.check_key(holds=made.driver.holds())
    made.driver.check_key(holds=made.driver.holds())


async def test_a_peer_whose_key_is_gone_is_told_and_closed() -> None:
    """Its call ends with the reason, what came before is on the log, what comes afterwards is not."""
    async with open_connection() as (made, running):
        made.wire.speak(bytes(800))
        await made.hosting.settle()
        made.key_holds = False
        look_twice(made)
        made.wire.speak(bytes(800))
        await made.hosting.settle()
        assert made.wire.told[-2:] == ["error", "1008"]
        assert json.loads(made.wire.sent[-2]["text"])["code"] == "key_revoked"
        end = made.hosting.log.records[-1]
        assert isinstance(end, CallEnded)
        assert (end.reason, end.complete, end.position) == ("key_revoked", False, 400)
        made.wire.hang(1008)
        await asyncio.wait_for(running, 5)


async def test_a_key_that_is_missing_for_a_moment_costs_no_call() -> None:
    """A file that is being written may lack it at one look."""
    async with open_connection() as (made, _):
        for _ in range(3):
            made.key_holds = False
            made.driver.check_key(holds=made.driver.holds())
            made.key_holds = True
            made.driver.check_key(holds=made.driver.holds())
        await made.hosting.settle()
        assert made.wire.told == ["started"]


async def test_a_peer_without_a_call_is_closed_too() -> None:
    """A connection that waits for its start is none that a revoked key may keep."""
    made = MemoryConnection()
    running = asyncio.create_task(made.connection.run())
    await made.hosting.settle()
    made.key_holds = False
    look_twice(made)
    made.wire.say(START)
    await made.hosting.settle()
    assert made.wire.told == ["error", "1008"]
    assert made.hosting.ledger.views == {}
    made.wire.hang()
    await running


async def test_a_call_that_is_being_taken_when_the_key_goes_ends() -> None:
    """The ledger has it by then, so it is to say how it ended."""
    made = MemoryConnection()
    made.hosting.ledger.answering.clear()
    running = asyncio.create_task(made.connection.run())
    made.wire.say(START)
    await made.hosting.settle()
    made.key_holds = False
    look_twice(made)
    made.hosting.ledger.answering.set()
    await made.hosting.settle()
    (end,) = [record for record in made.hosting.log.records if isinstance(record, CallEnded)]
    assert end.reason == "key_revoked"
    made.wire.hang()
    await running


async def test_a_connection_that_was_replaced_takes_no_call_with_it() -> None:
    """The call goes on with another key: the old one's end is not the call's."""
    async with open_connection() as (made, _):
        call = made.hosting.host.calls["call-1"]
        again = ScriptedPeer(caller=made.caller)
        await made.hosting.host.offer(offer("call-1", resume=(0, 0), channels=2), door="stream", resumable=True, peer=again)
        made.key_holds = False
        look_twice(made)
        await made.hosting.settle()
        assert not call.over


async def test_messages_that_cannot_be_used_are_counted_and_told() -> None:
    """Each is counted by what was wrong; the log has the first of a kind, and the call goes on."""
    made = MemoryConnection(TwilioDoor())
    running = asyncio.create_task(made.connection.run())
    media_format = {"encoding": "audio/x-mulaw", "sampleRate": 8000}
    start = {"callSid": "call-1", "tracks": ["inbound"], "mediaFormat": media_format}
    labels = {"door": "twilio", "reason": "payload"}
    before = REGISTRY.get_sample_value("steno_ingest_call_messages_unusable_total", labels) or 0
    with capture_logs() as logged:
        made.wire.say({"event": "start", "streamSid": "MZ1", "start": start})
        for payload in ("?!", None, "AAAA"):
            made.wire.say({"event": "media", "streamSid": "MZ1", "media": {"payload": payload}})
        made.wire.say({"event": "stop"})
        await made.hosting.settle()
    assert REGISTRY.get_sample_value("steno_ingest_call_messages_unusable_total", labels) == before + 2
    (told,) = [entry for entry in logged if entry["event"] == "call.message_unusable"]
    assert (told["call_id"], told["reason"]) == ("call-1", "payload")
    *_, end = made.hosting.log.records
    assert isinstance(end, CallEnded)
    assert (end.complete, end.position) == (True, 3)
    made.wire.hang()
    await running


async def test_a_call_may_be_offered_by_the_clock() -> None:
    """A stream of a single track waits for others before it offers its call; what its peer says meanwhile follows."""
    made = MemoryConnection(TwilioDoor(groups=StreamGroups()))
    running = asyncio.create_task(made.connection.run())
    start = {"callSid": "call-1", "tracks": ["inbound"]}
    made.wire.say({"event": "start", "streamSid": "MZ1", "start": start})
    made.wire.say({"event": "media", "media": {"payload": "AAAA"}})
    await made.hosting.settle()
    assert not made.hosting.host.calls
    made.tick(1)
    made.wire.say({"event": "media", "media": {"payload": "AAAA"}})
    await made.hosting.settle()
    assert made.hosting.host.calls["call-1"].session.received.position == 6
    made.wire.hang()
    await running
    await made.hosting.settle()
    end = made.hosting.log.records[-1]
    assert isinstance(end, CallEnded)
    assert (end.reason, end.position) == ("torn", 6)
