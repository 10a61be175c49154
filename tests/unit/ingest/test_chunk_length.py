"""How long the chunks of a call are, and that they stay so."""

from dataclasses import replace

import pytest
from steno_ingest.calls.doors.actions import Audio
from steno_ingest.calls.hosting import chunk_length
from support.hosting import Hosting, ScriptedPeer, offer

from steno.events.records import AudioChunk


async def test_a_call_is_cut_on_as_it_was_begun() -> None:
    """Where it was begun with chunks of 200 ms, chunk 3 begins at 600 ms, also in a process that cuts new calls otherwise."""
    hosting = Hosting()
    started = (await Hosting().host.offer(offer(), door="stream", resumable=True, peer=ScriptedPeer())).session.started
    await hosting.ledger.begin(started, door="stream", instance="1", paused=False, chunk_ms=200)
    call = await hosting.host.offer(offer(resume=(2, 3_200)), door="stream", resumable=True, peer=ScriptedPeer())
    hosting.host.handle(call, Audio(data=bytes(8_000)))
    await hosting.settle()
    chunks = [record for record in hosting.log.records if isinstance(record, AudioChunk)]
    assert [(chunk.sequence, chunk.position) for chunk in chunks] == [
        (2, 3_200),
        (3, 4_800),
        (4, 6_400),
        (5, 8_000),
        (6, 9_600),
    ]


@pytest.mark.parametrize(("frame_ms", "open_calls", "chunk_ms"), [(0, 2, 100), (0, 3, 200), (200, 0, 200), (100, 2, 100)])
async def test_chunks_are_long_where_many_calls_are_open_or_frames_are(
    frame_ms: int, open_calls: int, chunk_ms: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And stay so for the whole call."""
    monkeypatch.setattr(chunk_length, "MANY_CALLS", 3)
    hosting = Hosting()
    for number in range(open_calls):
        await hosting.host.offer(offer(f"before-{number}"), door="stream", resumable=True, peer=ScriptedPeer())
    offered = replace(offer(), frame_ms=frame_ms)
    call = await hosting.host.offer(offered, door="stream", resumable=True, peer=ScriptedPeer())
    assert (call.session.chunk_ms, hosting.ledger.views["c"].chunk_ms) == (chunk_ms, chunk_ms)
