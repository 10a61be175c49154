"""A connection of a Speech SDK client with its driver and host."""

import asyncio

import pytest
from steno_ingest.calls.doors.speech_sdk import SpeechSdkDoor
from steno_ingest.calls.doors.speech_sdk_options import SdkOptions
from support.speech_sdk_peer import audio_message, riff
from support.websocket_connection import MemoryConnection

from steno.events.ids import live_pass_id
from steno.events.records import CallEnded, CaptionsReached

TURN = "a" * 32


@pytest.mark.parametrize("audio_ends", [True, False])
async def test_a_client_that_is_silent_between_its_turns_has_finished_its_call(audio_ends: bool) -> None:
    """It keeps its recogniser for another time; within a turn its call waits for it."""
    door = SpeechSdkDoor(SdkOptions(), connection_id="call-1", other_call_id="other")
    made = MemoryConnection(door)
    running = asyncio.create_task(made.connection.run())
    for payload in (riff(), bytes(3200), *((b"",) if audio_ends else ())):
        made.wire.speak(audio_message(payload, TURN))
    await made.hosting.settle()
    made.captions.records.put_nowait(
        CaptionsReached(call_id="call-1", recording_id=live_pass_id("call-1"), until_ms=100, phrase_count=0)
    )
    await made.hosting.settle()
    made.tick(61)
    await asyncio.wait_for(running, 5)
    await made.hosting.settle()
    call = made.hosting.host.calls["call-1"]
    assert (call.completed, call.held_until is None) == (audio_ends, audio_ends)
    ended = [record for record in made.hosting.log.records if isinstance(record, CallEnded)]
    assert [(record.complete, record.reason) for record in ended] == ([(True, "hangup")] if audio_ends else [])
