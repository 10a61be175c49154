"""Audio towards the peer of a call: in order, paced, interruptible, with marks; by a second connection of the call."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from steno_ingest.calls.doors.actions import SendBytes, SendText
from steno_ingest.calls.doors.audio_format import AudioFormat
from steno_ingest.calls.doors.port import AcceptedPeer, Door
from steno_ingest.calls.doors.stream import StreamDoor
from steno_ingest.calls.hosting.driver import CallDriver
from steno_ingest.calls.hosting.playback import CannotPlay, Playback
from support.hosting import Hosting
from support.scripted_door import MEDIA, ScriptedDoor
from support.websocket_connection import START, MemoryPhrases, ScriptedCaptions

from steno.events.records import AudioChunk, AudioCodec
from steno.tenants import Caller

LINEAR = AudioFormat(AudioCodec.S16LE, 16_000)
SECOND = bytes(range(250)) * 128
"""One second of `LINEAR`."""


@given(st.lists(st.floats(0.01, 2.0), min_size=1, max_size=60), st.integers(1, 5))
def test_audio_is_sent_in_order_and_never_far_ahead(steps: list[float], prompts: int) -> None:
    """Whenever there is time for it: all of it once, with marks behind it, and no more than half a second too early."""
    playback, now, sent, marks = Playback(ScriptedDoor(), LINEAR), 100.0, b"", list[str]()
    for number in range(prompts):
        playback.add(bytes([number]) * len(SECOND), lambda played: None)
    audible_until = now
    for step in [*steps, *[0.1] * 10 * prompts]:
        audible_until = max(audible_until, now)
        for action in playback.tick(now):
            if isinstance(action, SendBytes):
                sent += action.data
                audible_until += LINEAR.seconds_of(action.data)
            elif isinstance(action, SendText):
                marks.append(action.text)
                assert len(sent) == len(marks) * len(SECOND)
        assert audible_until - now <= 0.5 + 1e-6
        now += step
    assert sent == b"".join(bytes([number]) * len(SECOND) for number in range(prompts))
    assert marks == [f"mark {number + 1}" for number in range(prompts)]


def test_who_waits_learns_what_was_played_and_what_was_not() -> None:
    """A mark that comes back tells of one prompt; a stop tells of all others, and the peer is to throw away what it has."""
    playback, done = Playback(ScriptedDoor(), LINEAR), (list[bool](), list[bool]())
    for told in done:
        playback.add(SECOND, told.append)
    playback.tick(0.0)
    playback.note_played("1")
    playback.note_played("unheard-of")
    assert playback.stop(1.0) == [SendText(text="clear")]
    assert done == ([True], [False])
    assert playback.tick(5.0) == playback.stop(5.0) == []


def test_half_samples_and_endless_prompts_are_not_played() -> None:
    """What the call's format does not have is no audio, and what waits is bounded."""
    playback = Playback(ScriptedDoor(), LINEAR)
    with pytest.raises(CannotPlay, match="not a whole number of samples of 2 bytes"):
        playback.add(b"\0", lambda played: None)
    with pytest.raises(CannotPlay, match="the limit is 300 s"):
        playback.add(SECOND * 301, lambda played: None)


@asynccontextmanager
async def driving(door: Door) -> AsyncIterator[tuple[Hosting, CallDriver]]:
    """A driver whose transport is the test itself."""
    hosting, over = Hosting(), asyncio.Event()
    driver = CallDriver(
        AcceptedPeer(door=door, caller=Caller("peer", "acme"), holds=lambda: True),
        hosting.host,
        ScriptedCaptions(),
        MemoryPhrases(),
        idle_seconds=60,
        now=lambda: hosting.seconds,
    )

    async def wait() -> None:
        await over.wait()

    running = asyncio.create_task(driver.run(wait(), wait()))
    await asyncio.sleep(0)
    try:
        yield hosting, driver
    finally:
        over.set()
        await running


async def test_a_call_has_its_signalling_and_its_audio_on_two_connections() -> None:
    """The door names them; audio comes in by one and goes out by it, commands by the other, and they are closed together."""
    door = ScriptedDoor()
    async with driving(door) as (hosting, driver):
        media = driver.outgoing(MEDIA)
        await driver.receive_text("call c")
        assert await driver.outgoing().get() == SendText(text="go")
        await driver.receive_bytes(SECOND, door.media)
        playing = asyncio.create_task(driver.play(SECOND))
        sent = b""
        while len(sent) < len(SECOND):
            await asyncio.sleep(0)
            driver.tick()
            with suppress(TimeoutError):
                while True:
                    piece = await asyncio.wait_for(media.get(), 0.001)
                    assert isinstance(piece, SendBytes)
                    sent += piece.data
            hosting.seconds += 0.1
        assert sent == SECOND
        driver.tick()
        assert await driver.outgoing().get() == SendText(text="mark 1")
        assert not playing.done()
        await driver.receive_text("played 1")
        assert await playing
        await driver.receive_text("bye")
        assert driver.closing
        assert media.closing
        await hosting.settle()
        chunks = [record for record in hosting.log.records if isinstance(record, AudioChunk)]
        assert b"".join(chunk.audio for chunk in chunks) == SECOND
        assert [after.position - before.position for before, after in pairwise(chunks)] == [1600] * 9


async def test_playback_is_stopped_by_the_service_and_by_the_end_of_the_connection() -> None:
    """Whoever waits for it learns that not all was played; later audio is played as before."""
    async with driving(ScriptedDoor()) as (_, driver):
        driver.outgoing(MEDIA)
        await driver.receive_text("call c")
        first = asyncio.create_task(driver.play(SECOND))
        await asyncio.sleep(0)
        driver.tick()
        driver.stop_playing()
        assert not await first
        second = asyncio.create_task(driver.play(SECOND))
        await asyncio.sleep(0)
    assert not await second
    with pytest.raises(CannotPlay):
        await driver.play(SECOND)


async def test_nothing_is_played_before_there_is_a_call() -> None:
    """Whoever asks for it is told."""
    async with driving(ScriptedDoor()) as (_, driver):
        with pytest.raises(CannotPlay, match="without a call"):
            await driver.play(SECOND)


async def test_nothing_is_played_to_a_peer_that_takes_no_audio() -> None:
    """A door without a player says so by its protocol's name."""
    async with driving(StreamDoor()) as (_, driver):
        await driver.receive_text(json.dumps(START))
        with pytest.raises(CannotPlay, match="the protocol stream cannot play audio"):
            await driver.play(SECOND)
