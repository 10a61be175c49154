"""A peer is told every phrase of its call, also those that were said while nobody listened."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from steno_ingest.calls.doors.actions import SendText
from steno_ingest.calls.hosting import caption_feed
from steno_ingest.calls.hosting.outgoing import Outgoing
from support.calls import live_phrase
from support.websocket_connection import START, MemoryConnection

from steno.events import ids
from steno.events.records import TranscriptCompleted

COMES_BACK = {**START, "resume": {"sequence": 0, "position": 0}}


def completed(count: int) -> TranscriptCompleted:
    """The live transcript of so many phrases is complete."""
    return TranscriptCompleted(
        call_id="call-1",
        recording_id=ids.live_pass_id("call-1"),
        result_url="",
        phrase_count=count,
        channel_count=2,
        duration_ms=1000,
        completed_at=datetime(2026, 3, 1, tzinfo=UTC),
    )


@asynccontextmanager
async def begun(made: MemoryConnection, start: dict[str, Any]) -> AsyncIterator[asyncio.Task[None]]:
    """A connection whose call goes on, or begins."""
    running = asyncio.create_task(made.connection.run())
    made.wire.say(start)
    await made.hosting.settle()
    try:
        yield running
    finally:
        made.wire.hang()
        await asyncio.wait({running}, timeout=5)


def phrases(made: MemoryConnection) -> list[int]:
    """The numbers of the phrases that the peer was told, in their order."""
    told = [json.loads(message["text"]) for message in made.wire.sent if "text" in message]
    return [message["sequence"] for message in told if message["type"] == "phrase"]


async def until(made: MemoryConnection, count: int) -> None:
    """Until so many phrases were told."""
    async with asyncio.timeout(30):
        while len(phrases(made)) < count:
            await asyncio.sleep(0.005)


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is missing is looked up again at once."""
    for name in ("_SHORTEST_PAUSE", "_LONGEST_PAUSE", "_LEDGER_LATE_SECONDS", "_RETRY_SECONDS"):
        monkeypatch.setattr(caption_feed, name, 0.01)


@pytest.mark.parametrize(("has", "told"), [(None, [0, 1, 2]), (0, [0, 1, 2]), (1, [1, 2]), (2, [2])])
async def test_a_peer_that_comes_back_is_told_what_it_has_not(has: int | None, told: list[int]) -> None:
    """All phrases, or those behind the ones that it says it has; what is said from then on follows them."""
    made = MemoryConnection()
    made.earlier_phrases.phrases = [live_phrase(1), live_phrase(0)]
    resume = {"sequence": 0, "position": 0} if has is None else {"sequence": 0, "position": 0, "phrases": has}
    async with begun(made, {**START, "resume": resume}):
        made.understand(live_phrase(2))
        await made.hosting.settle()
        assert phrases(made) == told


async def test_what_was_missed_comes_before_what_follows() -> None:
    """The ledger learned of it after the peer had come back: the next phrase tells that one is missing."""
    made = MemoryConnection()
    async with begun(made, COMES_BACK):
        made.earlier_phrases.phrases = [live_phrase(0), live_phrase(1)]
        made.understand(live_phrase(2))
        await made.hosting.settle()
        assert phrases(made) == [0, 1, 2]


async def test_of_a_call_that_begins_nothing_is_looked_up() -> None:
    """Until a number tells that a phrase is missing."""
    made = MemoryConnection()
    async with begun(made, START):
        made.understand(live_phrase(0))
        await made.hosting.settle()
        assert (phrases(made), made.earlier_phrases.asked) == ([0], 0)
        made.earlier_phrases.phrases = [live_phrase(0), live_phrase(1)]
        made.understand(live_phrase(2))
        await made.hosting.settle()
        assert (phrases(made), made.earlier_phrases.asked) == ([0, 1, 2], 1)


@pytest.mark.usefixtures("soon")
async def test_what_was_missed_comes_though_nothing_follows() -> None:
    """Of the end of a call no phrase tells that another one is missing: it is looked up again."""
    made = MemoryConnection()
    async with begun(made, COMES_BACK):
        made.earlier_phrases.phrases = [live_phrase(0)]
        await until(made, 1)
        assert phrases(made) == [0]


@pytest.mark.usefixtures("soon")
async def test_a_ledger_that_is_away_holds_back_nothing_and_is_asked_again() -> None:
    """What comes meanwhile is told, what came before as soon as it is known."""
    made = MemoryConnection()
    made.earlier_phrases.away = 3
    async with begun(made, COMES_BACK):
        made.understand(live_phrase(1))
        await made.hosting.settle()
        assert phrases(made) == [1]
        made.earlier_phrases.phrases = [live_phrase(0), live_phrase(1)]
        await until(made, 2)
        assert phrases(made) == [1, 0]


async def test_what_comes_again_is_told_once_unless_it_is_corrected() -> None:
    """A transcriber that takes over says its last phrases again."""
    made = MemoryConnection()
    async with begun(made, START):
        for phrase in (live_phrase(0), live_phrase(1), live_phrase(0), live_phrase(0, revision=1)):
            made.understand(phrase)
        await made.hosting.settle()
        assert phrases(made) == [0, 1, 0]
        # Where the next session of a conversation goes on, whose peer does not say.
        assert made.hosting.host.calls["call-1"].phrases_sent == 2


@pytest.mark.parametrize("by", ["ledger", "topic"])
@pytest.mark.usefixtures("soon")
async def test_a_transcript_is_complete_when_all_of_it_was_told(by: str) -> None:
    """Also to a peer that came back after the last phrase, and after it was told that there is no more."""
    made = MemoryConnection()
    async with begun(made, COMES_BACK):
        made.wire.say({"type": "end"})
        await made.hosting.settle()
        if by == "ledger":
            made.earlier_phrases.count = 2
        else:
            made.understand(completed(2))
        await made.hosting.settle()
        made.tick(1)
        assert "completed" not in made.wire.told
        made.earlier_phrases.phrases = [live_phrase(0), live_phrase(1)]
        await until(made, 2)
        made.tick(1)
        await made.hosting.settle()
        assert made.wire.told[-5:] == ["ended", "phrase", "phrase", "completed", "1000"]


async def test_a_long_call_is_told_as_fast_as_it_is_read() -> None:
    """Hours of phrases come to a peer that reads; one that does not costs the memory of a few."""
    made = MemoryConnection()
    # More than may wait for a peer.
    made.earlier_phrases.phrases = [live_phrase(number) for number in range(1200)]
    made.wire.reading.clear()
    async with begun(made, COMES_BACK) as running:
        await made.hosting.settle()
        made.tick(50)
        await made.hosting.settle()
        assert not running.done()
        made.wire.reading.set()
        async with asyncio.timeout(60):
            while len(made.wire.sent) < 1200:
                await asyncio.sleep(0)
        await made.hosting.settle()
        assert phrases(made) == list(range(1200))


async def test_there_is_room_again_when_most_has_been_read() -> None:
    """Whoever waits for it goes on then."""
    outgoing = Outgoing()
    await outgoing.wait_for_room()
    for _ in range(40):
        outgoing.put(SendText(text="a"))
    waiting = asyncio.create_task(outgoing.wait_for_room())
    for _ in range(9):
        await asyncio.sleep(0)
        assert not waiting.done()
        await outgoing.get()
    await asyncio.wait_for(waiting, 1)


async def test_what_is_said_in_another_ones_call_by_the_same_id_is_not_told() -> None:
    """Neither as it comes nor from the ledger."""
    made = MemoryConnection()
    made.earlier_phrases.phrases = [live_phrase(0, tenant="somebody-else")]
    async with begun(made, COMES_BACK):
        made.understand(live_phrase(1, tenant="somebody-else"))
        await made.hosting.settle()
        assert phrases(made) == []
