"""What a record of `call-audio` means for its call."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steno.call_reader import CallReader, Heard, Missing, PauseBegan, PauseEnded, Step, Withheld
from steno.events.records import (
    AudioChunk,
    AudioGap,
    CallChannel,
    CallEnded,
    CallPaused,
    CallRecord,
    CallResumed,
    DtmfPressed,
    GapReason,
    Record,
    RolesCorrected,
)
from steno.unusable_records import AfterTheEnd, BrokenAudio, ImpossiblePlace, UnusableRecord

NOW = datetime(2026, 3, 1, tzinfo=UTC)
RATE = 8000


def reader() -> CallReader:
    return CallReader(sample_rate=RATE, frame_bytes=2)


def chunk(sequence: int, position: int, samples: int = 100) -> AudioChunk:
    """Audio in which every sample tells its place."""
    audio = b"".join((place % 2**16).to_bytes(2, "little") for place in range(position, position + samples))
    return AudioChunk(call_id="c", sequence=sequence, position=position, audio=audio)


def paused(position: int) -> CallPaused:
    return CallPaused(call_id="c", position=position, paused_at=NOW)


def resumed(position: int) -> CallResumed:
    return CallResumed(call_id="c", position=position, resumed_at=NOW)


def ended(position: int) -> CallEnded:
    return CallEnded(call_id="c", position=position, complete=True, ended_at=NOW)


def gap(position: int, length: int) -> AudioGap:
    return AudioGap(call_id="c", position=position, length=length, reason=GapReason.LATE)


def heard(position: int, end: int) -> Heard:
    return Heard(position=position, audio=chunk(0, position, end - position).audio)


def lost(start: int, end: int) -> Missing:
    return Missing(start=start, end=end, reason=GapReason.LOST)


def steps(of: CallReader, *records: Record) -> list[Step]:
    return [step for record in records for step in of.read(record)]


@pytest.mark.parametrize(
    ("records", "expected"),
    [
        ([chunk(0, 0), chunk(1, 100)], [heard(0, 100), heard(100, 200)]),
        ([chunk(0, 0), chunk(0, 0)], [heard(0, 100)]),
        ([chunk(0, 0), chunk(1, 50)], [heard(0, 100), heard(100, 150)]),
        ([chunk(0, 0), chunk(1, 0)], [heard(0, 100)]),
        ([chunk(0, 0), chunk(1, 300)], [heard(0, 100), lost(100, 300), heard(300, 400)]),
        (
            [chunk(0, 0), gap(200, 100)],
            [heard(0, 100), lost(100, 200), Missing(start=200, end=300, reason=GapReason.LATE)],
        ),
        ([chunk(0, 0), gap(0, 50)], [heard(0, 100)]),
        (
            [chunk(0, 0), gap(100, 0), chunk(1, 100), gap(100, 0)],
            [heard(0, 100), Missing(start=100, end=100, reason=GapReason.LATE), heard(100, 200)],
        ),
        ([chunk(0, 0), paused(100), gap(100, 0)], [heard(0, 100), PauseBegan(start=100, heard=100)]),
        (
            [chunk(0, 0), paused(100), chunk(1, 100), gap(200, 50), resumed(400), chunk(2, 400)],
            [
                heard(0, 100),
                PauseBegan(start=100, heard=100),
                Withheld(position=100),
                PauseEnded(start=100, end=400),
                heard(400, 500),
            ],
        ),
        (
            [chunk(0, 0), paused(40), resumed(60), chunk(1, 100)],
            [heard(0, 100), PauseBegan(start=40, heard=100), PauseEnded(start=40, end=60), heard(100, 200)],
        ),
        ([paused(50)], [lost(0, 50), PauseBegan(start=50, heard=50)]),
        ([paused(0), paused(0)], [PauseBegan(start=0, heard=0)]),
        ([resumed(50), chunk(0, 0)], [heard(0, 100)]),
        (
            [paused(0), resumed(100), paused(0), chunk(0, 100)],
            [PauseBegan(start=0, heard=0), PauseEnded(start=0, end=100), heard(100, 200)],
        ),
        (
            [chunk(0, 0), paused(100), resumed(50), chunk(1, 100)],
            [heard(0, 100), PauseBegan(start=100, heard=100), Withheld(position=100)],
        ),
        ([paused(0), ended(100)], [PauseBegan(start=0, heard=0), PauseEnded(start=0, end=100)]),
        ([chunk(0, 0), ended(150)], [heard(0, 100), lost(100, 150)]),
        ([chunk(0, 0), ended(2**62)], [heard(0, 100)]),
        ([DtmfPressed(call_id="c", position=2**62, digit="5", pressed_at=NOW)], []),
    ],
    ids=[
        "in order", "twice", "an overlap", "known", "a jump", "a gap", "a gap of what was heard", "an empty gap and an old one",
        "an empty gap in a pause", "a pause", "a late pause",
        "a pause ahead", "paused twice", "resumed without a pause", "an old pause", "an old resumption", "ended in a pause",
        "an end ahead", "an end of years", "a key",
    ],
)  # fmt: skip
def test_what_follows_of_a_record(records: list[Record], expected: list[Step]) -> None:
    """Audio once, and all that interrupts it."""
    assert steps(reader(), *records) == expected


@pytest.mark.parametrize(
    ("record", "error"),
    [
        (AudioChunk(call_id="c", sequence=1, position=100, audio=b"abc"), BrokenAudio),
        (AudioChunk(call_id="c", sequence=1, position=100, audio=b""), BrokenAudio),
        (chunk(0, 100), ImpossiblePlace),
        (chunk(1, 101 + 38 * RATE), ImpossiblePlace),
        (chunk(2**31 - 1, 100), ImpossiblePlace),
        (gap(100, 38 * RATE), ImpossiblePlace),
        (gap(2**62, 2**62), ImpossiblePlace),
    ],
    ids=["half a sample", "empty", "old sequence", "ahead of time", "sequence", "gap", "gap of years"],
)
def test_what_cannot_be_changes_nothing(record: Record, error: type[UnusableRecord]) -> None:
    """It is refused, with a reason."""
    of = reader()
    steps(of, chunk(0, 0))
    before = repr(of)
    with pytest.raises(error):
        steps(of, record)
    assert repr(of) == before


def test_a_pause_that_cannot_be_there_is_one_all_the_same() -> None:
    """It holds where the audio is, until a resumption that can be."""
    of = reader()
    steps(of, chunk(0, 0))
    for record in (paused(2**62), resumed(2**62)):
        with pytest.raises(ImpossiblePlace):
            steps(of, record)
    assert steps(of, chunk(1, 100), resumed(200)) == [Withheld(position=100), PauseEnded(start=100, end=200)]


def test_nothing_follows_the_end() -> None:
    """Audio is refused, the rest says nothing."""
    of = reader()
    assert steps(of, chunk(0, 0), ended(100), gap(100, 100), gap(100, 0), paused(100), ended(300)) == [heard(0, 100)]
    with pytest.raises(AfterTheEnd, match="ended at sample 100"):
        steps(of, chunk(1, 100))


PLACES = st.integers(0, 2000).map(lambda place: place * 10)
RECORDS: st.SearchStrategy[CallRecord] = st.one_of(
    st.builds(chunk, st.integers(0, 30), PLACES, st.integers(1, 300)),
    st.builds(chunk, st.integers(0, 30), PLACES, st.integers(1, 300)),
    st.builds(gap, PLACES, st.integers(0, 2000)),
    st.builds(gap, PLACES, st.just(0)),
    st.builds(paused, PLACES),
    st.builds(resumed, PLACES),
    st.builds(ended, PLACES),
)


@given(st.lists(RECORDS, max_size=30))
def test_steps_lie_side_by_side_and_nothing_of_a_pause_is_heard(records: Iterable[CallRecord]) -> None:
    """Whatever stands on the log: each sample is heard, missing or paused once, and so many are missing."""
    of, at, audio, pausing = reader(), 0, 0, False
    for number, record in enumerate(records):
        of.clock.advance(NOW + timedelta(seconds=number))
        try:
            found = steps(of, record)
        except UnusableRecord:
            continue
        for step in found:
            match step:
                case Heard(position=position, audio=sound):
                    assert not pausing
                    assert (position, step) == (at, heard(at, at + len(sound) // 2))
                    at, audio = at + len(sound) // 2, audio + len(sound) // 2
                case Missing(start=start, end=end):
                    assert not pausing
                    assert start == at <= end
                    assert (start == end) == (record == gap(at, 0))
                    at = end
                case PauseBegan(start=start, heard=until):
                    assert not pausing
                    assert start <= until == at
                    pausing = True
                case PauseEnded(start=start, end=end):
                    assert pausing
                    assert start <= end
                    at, pausing = max(at, end), False
                case Withheld():
                    assert pausing
        assert (of.position, of.audio) == (at, audio)


@pytest.mark.parametrize("writer", ["", "door-1"])
def test_a_record_is_of_the_call_of_its_writer(writer: str) -> None:
    """Whatever it says; a correction of roles names no writer, and is of any."""
    call = CallReader(sample_rate=RATE, frame_bytes=2, writer=writer)
    roles = RolesCorrected(call_id="c", channels=(CallChannel(channel=0),), corrected_by="", corrected_at=NOW)
    for record in (chunk(0, 0), gap(0, 10), paused(0), resumed(0), ended(0)):
        assert call.is_of(record.model_copy(update={"writer": writer}))
        assert not call.is_of(record.model_copy(update={"writer": "door-2"}))
    assert call.is_of(roles)
