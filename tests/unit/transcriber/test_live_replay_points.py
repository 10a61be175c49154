"""Where in a call its audio may lie: the live transcript judges as the recording does."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from steno_ingest.calls.log.account.account import Account
from steno_transcriber.live.call import LiveCall, first_checkpoint
from support.live_calls import CallWriter
from support.speech import call_audio

from steno.events.records import (
    AudioChunk,
    AudioCodec,
    AudioGap,
    CallChannel,
    CallEnded,
    CallPaused,
    CallRecord,
    CallResumed,
    CallStarted,
    GapReason,
)
from steno.unusable_records import ImpossiblePlace, UnusableRecord

NOW = datetime(2026, 3, 1, tzinfo=UTC)
RATE = 8000
STARTED = CallStarted(
    call_id="c",
    codec=AudioCodec.PCMU,
    sample_rate=RATE,
    channels=(CallChannel(channel=0),),
    started_at=datetime(1970, 1, 1, tzinfo=UTC),
)


def gap(position: int, length: int) -> AudioGap:
    return AudioGap(call_id="c", position=position, length=length, reason=GapReason.LOST)


def chunk(sequence: int, position: int) -> AudioChunk:
    return AudioChunk(call_id="c", sequence=sequence, position=position, audio=b"\xff" * 800)


@pytest.mark.parametrize(
    "record",
    [
        gap(0, 38 * RATE),
        gap(2**62, 2**62),
        chunk(0, 38 * RATE),
        chunk(2**31 - 1, 0),
    ],
    ids=["gap", "gap beyond all", "chunk", "sequence"],
)
def test_a_place_that_the_call_has_had_no_time_for_cannot_be(record: CallRecord) -> None:
    """The call is where it was, and its audio is taken afterwards."""
    call = LiveCall(first_checkpoint(STARTED, 0, written_at=NOW))
    with pytest.raises(ImpossiblePlace):
        call.add_record(record, offset=1, written_at=NOW)
    assert call.duration_ms == 0
    call.add_record(chunk(0, 0), offset=2, written_at=NOW)
    assert call.duration_ms == 100


def test_a_pause_that_the_call_has_had_no_time_for_holds_until_it_is_let_go_on() -> None:
    """Nothing of it is heard; nor does an impossible resumption open it."""
    call = LiveCall(first_checkpoint(STARTED, 0, written_at=NOW))
    for offset, record in enumerate(
        (
            CallPaused(call_id="c", position=38 * RATE, paused_at=NOW),
            CallResumed(call_id="c", position=2**62, resumed_at=NOW),
        )
    ):
        with pytest.raises(ImpossiblePlace):
            call.add_record(record, offset=1 + offset, written_at=NOW)
    call.add_record(chunk(0, 0), offset=3, written_at=NOW)
    assert call.duration_ms == 0
    call.add_record(CallResumed(call_id="c", position=800, resumed_at=NOW), offset=4, written_at=NOW)
    call.add_record(chunk(1, 800), offset=5, written_at=NOW)
    assert (call.duration_ms, call.audio) == (200, 800)


def test_a_start_that_is_said_to_be_long_ago_gives_no_time() -> None:
    """What counts is when the records were written."""
    call = LiveCall(first_checkpoint(STARTED, 0, written_at=NOW))
    with pytest.raises(ImpossiblePlace):
        call.add_record(gap(0, 3600 * RATE), offset=1, written_at=NOW)


KINDS = st.sampled_from(["chunk", "chunk", "chunk", "old", "gap", "pause", "resume", "end"])
#: Seconds before or behind what was taken, and how much later it is written.
AHEAD = st.one_of(st.just(0.0), st.floats(-20, 120).map(lambda seconds: round(seconds, 1)))
LATER = st.integers(0, 120)


@given(st.lists(st.tuples(KINDS, AHEAD, LATER), max_size=30), st.integers(0, 30))
def test_recording_and_live_transcript_judge_alike_also_after_a_takeover(
    steps: list[tuple[str, float, int]], died: int
) -> None:
    """So what was said stands at the same place in both, and what was not to be kept in neither; whoever takes over goes on
    with it."""
    account = Account(call_id="c", codec=AudioCodec.PCMU, sample_rate=RATE, channel_count=1, one_way_seconds=30)
    account.advance_clock(NOW)
    call = LiveCall(first_checkpoint(STARTED, 0, written_at=NOW))
    at, log = NOW, list[tuple[int, CallRecord, datetime]]()
    for number, (kind, ahead, later) in enumerate(steps):
        at += timedelta(seconds=later)
        place = max(0, account.position + int(ahead * RATE))
        records: dict[str, CallRecord] = {
            "chunk": chunk(number, place),
            "old": chunk(number // 2, place),
            "gap": gap(max(0, place - RATE), RATE),
            "pause": CallPaused(call_id="c", position=place, paused_at=NOW),
            "resume": CallResumed(call_id="c", position=place, resumed_at=NOW),
            "end": CallEnded(call_id="c", position=place, complete=True, ended_at=NOW),
        }
        log.append((len(log) + 1, records[kind], at))
        if account.ended:
            break
        assert _accounts_for(account, records[kind], at) is _takes(call, *log[-1])
        assert (call.duration_ms, call.audio) == (account.position * 1000 // RATE, account.reader.audio)
        assert call.ended is account.ended
        if number == died:
            call = LiveCall(call.checkpoint(log_end=len(log) + 1, saved_at=NOW))
            for entry in log:
                _takes(call, *entry)


def _accounts_for(account: Account, record: CallRecord, at: datetime) -> bool:
    account.advance_clock(at)
    try:
        account.apply(record)
    except UnusableRecord:
        return False
    return True


def _takes(call: LiveCall, offset: int, record: CallRecord, at: datetime) -> bool:
    try:
        call.add_record(record, offset=offset, written_at=at)
    except UnusableRecord:
        return False
    return True


@pytest.mark.parametrize("at", [datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)])
def test_a_record_may_be_written_at_the_ends_of_time(at: datetime) -> None:
    """As its writer says; what is said then is told all the same, and the call can be taken over."""
    call = CallWriter(call_id="c")
    call.start()
    call.say(call_audio()[:, : 10 * 16_000])
    call.end()
    started = call.log[0].record
    assert isinstance(started, CallStarted)
    live = LiveCall(first_checkpoint(started, 0, written_at=at))
    found = [entry for record in call.log[1:] for entry in live.add_record(record.record, offset=record.offset, written_at=at)]
    assert found
    assert LiveCall(live.checkpoint(log_end=1000, saved_at=NOW)).duration_ms <= 10_000
