"""The stream of one reader: heartbeats, readers that are too slow or take nothing, and how many there may be."""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from steno_notifier import caption_streams
from steno_notifier.caption_routes import CaptionResponse
from steno_notifier.caption_streams import FOLLOWED, CaptionStream, CaptionStreams, NoSuchCall, TooManyReaders
from steno_notifier.captions import Caption, Captions, Cursor
from support.kernel import CODEC, cluster_without_broker

from steno.events.catalogue import CALLS, PHRASES, Topic
from steno.events.ids import live_pass_id
from steno.events.records import CallChannel, CallState, CallStatus
from steno.kafka import FollowedKey, FollowedKeys
from steno.kafka.messages import Message, RawMessage
from steno.tenants import Caller

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
ACME = Caller("reader", "acme")


def _state(state: CallStatus, tenant: str = "acme") -> Message:
    record = CallState(
        call_id="call",
        recording_id=live_pass_id("call"),
        state=state,
        channels=(CallChannel(channel=0),),
        started_at=NOW,
        updated_at=NOW,
        tenant=tenant,
    )
    return Message(topic=CALLS, partition=0, offset=0, key="call", record=record, headers={}, timestamp=NOW)


def _stream(following: FollowedKey, state: CallStatus = CallStatus.ACTIVE) -> CaptionStream:
    return CaptionStream(Captions("call", Cursor(), sees=lambda _: True), following, [_state(state)], heartbeat_seconds=0.001)


def _following(*, limit: int = 1) -> FollowedKey:
    return FollowedKey("call", positions={}, limit=limit, codec=CODEC)


async def _told(stream: CaptionStream, *, most: int = 10) -> list[str | None]:
    told: list[str | None] = []
    async for caption in stream.captions():
        told.append(caption.event if isinstance(caption, Caption) else None)
        if len(told) == most:
            break
    return told


async def test_silence_is_filled_with_heartbeats() -> None:
    """While a call goes on and nobody speaks, the reader hears that it is still connected."""
    assert await _told(_stream(_following()), most=4) == ["state", None, None, None]


async def test_a_call_that_failed_ends_at_the_first_heartbeat() -> None:
    """Its transcript will not be completed; the reader is not kept."""
    stream = _stream(_following(), CallStatus.FAILED)
    assert await _told(stream) == ["state", None, "end"]
    assert stream.closed_because == ""


async def test_a_reader_that_falls_behind_is_told_to_come_back() -> None:
    """More waits for it than may: its stream ends and says why."""
    following = _following(limit=1)
    raw: RawMessage = type("Raw", (), {"value": b"", "key": b"call"})()
    topic: Topic = CALLS
    for _ in range(2):
        following.put(topic, raw)
    stream = _stream(following)
    assert await _told(stream) == ["state"]
    assert stream.closed_because == "too much has come since the last event was read"


async def test_a_stop_leaves_a_reader_that_takes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its connection stands still in the middle of a send: the response ends all the same, and the call is let go of."""
    monkeypatch.setattr(caption_streams, "_LAST_SECONDS", 0.0)
    stream, blocked, closed = _stream(_following()), asyncio.Event(), list[bool]()
    stream.held = ExitStack()
    stream.held.callback(lambda: closed.append(True))

    async def send(_message: object) -> None:
        blocked.set()
        await asyncio.Event().wait()

    sending = asyncio.create_task(CaptionResponse(stream).stream_response(send))
    await blocked.wait()
    stream.limit_wait()
    async with asyncio.timeout(5):
        await sending
    assert closed == [True]


async def test_there_are_so_many_readers_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """The one after the last place is refused; a place that is left is taken by the next."""
    cluster = cluster_without_broker("notifier")
    streams = CaptionStreams(cluster, FollowedKeys(cluster, FOLLOWED), most_readers=2, holds=lambda _: True)

    async def opened(
        _self: CaptionStreams, _call_id: str, _cursor: Cursor | None, _caller: Caller, _held: ExitStack
    ) -> CaptionStream:
        return _stream(_following())

    monkeypatch.setattr(CaptionStreams, "_open", opened)
    first, _ = [await streams.open("call", None, ACME) for _ in range(2)]
    with pytest.raises(TooManyReaders):
        await streams.open("call", None, ACME)
    first.close()
    await streams.open("call", None, ACME)


class Keys:
    """Which callers' keys open."""

    def __init__(self) -> None:
        self.gone: set[str] = set()

    def holds(self, caller: Caller) -> bool:
        return caller.name not in self.gone


def _streams(keys: Keys) -> CaptionStreams:
    cluster = cluster_without_broker("notifier")
    return CaptionStreams(cluster, FollowedKeys(cluster, FOLLOWED), most_readers=9, holds=keys.holds)


@pytest.fixture
def states(monkeypatch: pytest.MonkeyPatch) -> list[Message]:
    """What stands on `calls` of the call that is asked for."""
    found = [_state(CallStatus.ACTIVE)]

    async def of_call(_self: CaptionStreams, topic: Topic, *_: object) -> list[Message]:
        return found if topic is CALLS else []

    async def nowhere(*_: object) -> int:
        return 0

    monkeypatch.setattr(CaptionStreams, "_read_range", of_call)
    monkeypatch.setattr(CaptionStreams, "_offset_at", nowhere)
    monkeypatch.setattr(FollowedKeys, "follow", lambda *_: nullcontext(_following()))
    monkeypatch.setattr(caption_streams, "_UNKNOWN_SECONDS", 0.0)
    return found


@pytest.mark.parametrize(("tenant", "seen"), [("acme", ["ours", "operator"]), ("other", ["operator"]), ("", ["operator"])])
async def test_captions_are_shown_to_whose_call_it_is(states: list[Message], tenant: str, seen: list[str]) -> None:
    """And to those who see everything; to others the call is not there."""
    states[:] = [_state(CallStatus.ACTIVE, tenant)]
    streams, shown = _streams(Keys()), list[str]()
    for caller in (Caller("ours", "acme"), Caller("strangers", "elsewhere"), Caller("operator", everything=True)):
        try:
            await streams.open("call", None, caller)
        except NoSuchCall:
            continue
        shown.append(caller.name)
    assert shown == seen


async def test_somebody_elses_call_is_looked_for_as_long_as_none(
    states: list[Message], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The time that a refusal takes does not tell that there is a call."""
    looks: list[str] = []

    def follow(*_: object) -> AbstractContextManager[FollowedKey]:
        looks.append("follow")
        return nullcontext(_following())

    monkeypatch.setattr(FollowedKeys, "follow", follow)
    for found in ([], [_state(CallStatus.ACTIVE, "other")]):
        states[:] = found
        with pytest.raises(NoSuchCall):
            await _streams(Keys()).open("call", None, ACME)
    assert looks == ["follow"] * 4


async def test_a_reader_whose_key_is_gone_is_let_go(states: list[Message]) -> None:
    """Told why, at the second look: a file that is being written may lack a key for a moment. Others read on."""
    keys = Keys()
    streams = _streams(keys)
    leaving, staying = [await streams.open("call", None, Caller(name, "acme")) for name in ("leaving", "staying")]
    told = asyncio.create_task(_told(leaving))
    await asyncio.sleep(0)
    keys.gone = {"leaving"}
    streams.check_keys()
    keys.gone = set()
    streams.check_keys()
    keys.gone = {"leaving"}
    streams.check_keys()
    assert leaving.closed_because == ""
    streams.check_keys()
    assert (await told)[0] == "state"
    assert leaving.closed_because == "the API key was removed, expired or changed"
    assert staying.closed_because == ""


async def test_a_reader_without_a_key_that_hangs_is_left(states: list[Message], monkeypatch: pytest.MonkeyPatch) -> None:
    """Its connection stands still in the middle of a send, and ends a second later all the same."""
    monkeypatch.setattr(caption_streams, "_LAST_SECONDS", 0.0)
    keys = Keys()
    streams, blocked = _streams(keys), asyncio.Event()
    stream = await streams.open("call", None, ACME)

    async def send(_message: object) -> None:
        blocked.set()
        await asyncio.Event().wait()

    sending = asyncio.create_task(CaptionResponse(stream).stream_response(send))
    await blocked.wait()
    keys.gone = {ACME.name}
    streams.check_keys()
    streams.check_keys()
    async with asyncio.timeout(5):
        await sending


class _Live(FollowedKey):
    """Awaits each message as it is told to."""

    def __init__(self, *answers: Callable[[], Awaitable[Message]]) -> None:
        super().__init__("call", positions={}, limit=1, codec=CODEC)
        self._answers = list(answers)

    async def __anext__(self) -> Message:
        return await self._answers.pop(0)()


async def _failed() -> Message:
    return replace(_state(CallStatus.FAILED), offset=1)


async def test_a_reader_that_hangs_at_a_live_message_is_left(states: list[Message], monkeypatch: pytest.MonkeyPatch) -> None:
    """It hangs while nothing is awaited for it any more: its key is missed all the same, and the looks at keys go on."""
    monkeypatch.setattr(caption_streams, "_LAST_SECONDS", 0.0)
    monkeypatch.setattr(FollowedKeys, "follow", lambda *_: nullcontext(_Live(_failed)))
    keys, blocked = Keys(), asyncio.Event()
    streams = _streams(keys)
    stream = await streams.open("call", None, ACME)

    async def send(message: MutableMapping[str, Any]) -> None:
        if b'"failed"' in message.get("body", b""):
            blocked.set()
            await asyncio.Event().wait()

    sending = asyncio.create_task(CaptionResponse(stream).stream_response(send))
    async with asyncio.timeout(5):
        await blocked.wait()
        keys.gone = {ACME.name}
        streams.check_keys()
        streams.check_keys()
        await sending
    assert stream.closed_because == "the API key was removed, expired or changed"
    assert streams._streams == {}


async def test_a_reader_is_left_in_the_moment_of_its_heartbeat() -> None:
    """The wait for a message ends by itself just then: the stream ends, and nothing is raised."""

    async def interrupted() -> Message:
        try:
            await asyncio.Event().wait()
        finally:
            stream.stop("the key is gone")
        raise AssertionError

    stream = _stream(_Live(interrupted))
    assert await _told(stream) == ["state"]
    assert stream.closed_because == "the key is gone"


async def test_a_reader_that_went_away_in_a_send_can_be_hurried() -> None:
    """Its connection broke: the service stops before the stream is closed, and nothing is raised."""
    stream = _stream(_following())

    async def send(_message: object) -> None:
        raise OSError("broken pipe")

    with pytest.raises(OSError, match="broken pipe"):
        await CaptionResponse(stream).stream_response(send)
    stream.limit_wait()


@pytest.mark.parametrize(("told", "start"), [(0, 100), (1, 100), (150, 150)])
async def test_no_phrase_before_the_call_is_read(
    states: list[Message], monkeypatch: pytest.MonkeyPatch, told: int, start: int
) -> None:
    """A cursor comes from outside: however low it is, reading begins where the call does."""
    starts: list[int] = []

    async def of_call(_self: CaptionStreams, topic: Topic, _call_id: str, start: int, *_: object) -> list[Message]:
        if topic is PHRASES:
            starts.append(start)
        return states if topic is CALLS else []

    async def where_it_began(*_: object) -> int:
        return 100

    monkeypatch.setattr(CaptionStreams, "_read_range", of_call)
    monkeypatch.setattr(CaptionStreams, "_offset_at", where_it_began)
    await _streams(Keys()).open("call", Cursor(phrases=told), ACME)
    assert starts == [start]
