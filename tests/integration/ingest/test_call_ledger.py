"""The ledger of calls: every accepted call ends once, whatever comes how often and in which order."""

from datetime import timedelta
from typing import Any

import pytest
from steno_ingest.calls.call_ledger import CallLedger
from steno_ingest.calls.call_tables import call_entries
from steno_ingest.tables import outbox
from support.calls import AT, CALL, CHANNELS, call_ended, call_started, live_completed, live_failed, live_started
from support.ingest import CODEC, Ingest

from steno.events import ids
from steno.events.records import (
    CallState,
    CallStatus,
)

LIVE = ids.live_pass_id(CALL)
DOOR: dict[str, Any] = {"door": "stream", "instance": "ingest-1", "paused": False}


@pytest.fixture
def ledger(ingest: Ingest) -> CallLedger:
    """The ledger of calls."""
    return ingest.calls


async def told(ingest: Ingest, topic: str = "calls") -> list[Any]:
    """What Kafka was told, in order."""
    rows = sorted(await ingest.rows(outbox), key=lambda row: row.id)
    return [CODEC.decode(row.value) for row in rows if row.topic == topic]


async def steps(ingest: Ingest) -> list[tuple[str | None, str]]:
    """The steps that calls made, in order."""
    return [(row.from_state, row.to_state) for row in sorted(await ingest.rows(call_entries), key=lambda row: row.id)]


async def test_a_call_goes_its_way(ingest: Ingest, ledger: CallLedger) -> None:
    """active, ending, completed; Kafka is told of each step once, the newest by `updated_at`."""
    for _ in range(2):
        await ledger.begin(call_started(), **DOOR)
        assert not await ledger.note_started(call_started())
    assert await ledger.audio_ended(call_ended())
    assert not await ledger.audio_ended(call_ended(reason="torn"))
    for record in (live_started(), live_completed(), live_completed(), live_failed()):
        await ledger.note_transcript(record)
    call = await ledger.call(CALL)
    assert (call.state, call.end_reason, call.complete, call.end_position) == (CallStatus.COMPLETED, "hangup", True, 480_000)
    assert (call.door, call.instance, call.current_recording_id) == ("stream", "ingest-1", LIVE)
    assert await steps(ingest) == [(None, "active"), ("active", "ending"), ("ending", "completed")]
    states = await told(ingest)
    assert [(state.state, state.current_recording_id) for state in states] == [
        (CallStatus.ACTIVE, ""),
        (CallStatus.ENDING, ""),
        (CallStatus.COMPLETED, LIVE),
    ]
    assert states[-1] == CallState(
        call_id=CALL,
        recording_id=LIVE,
        state=CallStatus.COMPLETED,
        channels=CHANNELS,
        protocol="stream",
        properties={"queue": "sales"},
        current_recording_id=LIVE,
        complete=True,
        reason="hangup",
        started_at=AT,
        ended_at=AT + timedelta(minutes=1),
        updated_at=call.updated_at,
    )
    assert [state.updated_at for state in states] == sorted({state.updated_at for state in states})
    assert await ledger.open_calls() == []
