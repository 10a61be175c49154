"""The session of a call: whatever it is told, in whatever order, legal records come of it."""

from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from steno_ingest.calls.doors.actions import ResumePoint
from steno_ingest.calls.hosting.session import CallSession, Entry, IllegalInput
from steno_ingest.calls.ledger.pauses import GateState, Holder

from steno.events.records import (
    AudioChunk,
    AudioCodec,
    AudioGap,
    CallChannel,
    CallEnded,
    CallPaused,
    CallResumed,
    CallStarted,
    CallUpdated,
    DtmfPressed,
    GapReason,
    Record,
    Role,
    RolesCorrected,
)

NOW = datetime(2026, 11, 1, tzinfo=UTC)
CHUNK = 800


def session(
    *, codec: AudioCodec = AudioCodec.PCMU, channels: int = 1, at: ResumePoint | None = None, started: bool = True
) -> CallSession:
    """A session with chunks of 100 ms at 8 kHz."""
    made = CallSession(
        CallStarted(
            call_id="c",
            codec=codec,
            sample_rate=8000,
            channels=tuple(CallChannel(channel=number) for number in range(channels)),
            started_at=NOW,
        ),
        chunk_ms=100,
        clock=lambda: NOW,
        at=at,
    )
    if started:
        made.start()
    return made


def records(entries: list[Entry]) -> list[Record]:
    """What stands on the log."""
    return [entry.record for entry in entries]


def chunks(entries: list[Entry]) -> list[AudioChunk]:
    """The audio of them."""
    return [entry.record for entry in entries if isinstance(entry.record, AudioChunk)]


def noise(samples: int, *, seed: int = 0) -> bytes:
    """Audio in which every place differs from its neighbours."""
    return bytes((seed + number * 7) % 251 for number in range(samples))


def cut(total: int, cuts: list[int]) -> list[slice]:
    """A span cut at some places."""
    borders = [0, *sorted(place % (total + 1) for place in cuts), total]
    return [slice(start, end) for start, end in pairwise(borders)]


def test_a_call_begins_with_its_start() -> None:
    """The first record of a call is CallStarted."""
    made = session(started=False)
    assert records(made.start()) == [made.started]


def test_a_call_that_begins_paused_says_so_before_any_audio() -> None:
    """CallStarted, CallPaused; audio is dropped, and only the clock goes on."""
    made = session(started=False)
    start, paused = records(made.start(GateState.BY_PEER))
    assert isinstance(start, CallStarted)
    assert isinstance(paused, CallPaused)
    assert made.audio(noise(900)) == []
    assert made.received == ResumePoint(sequence=0, position=900)


def test_chunks_end_at_multiples_of_their_length() -> None:
    """A frame of any size is cut into tenths of a second."""
    made = session()
    first, second = chunks(made.audio(noise(1700)))
    assert (first.sequence, first.position, len(first.audio)) == (0, 0, CHUNK)
    assert (second.sequence, second.position, len(second.audio)) == (1, CHUNK, CHUNK)
    assert made.flushed == ResumePoint(sequence=2, position=1600)
    assert made.received == ResumePoint(sequence=2, position=1700)


def test_a_gap_flushes_and_borders_stay_where_they_were() -> None:
    """What stands before a gap goes out short, and the chunk behind it ends at the next multiple."""
    made = session()
    made.audio(noise(300))
    short, gap = records(made.gap(100, GapReason.LOST))
    assert isinstance(short, AudioChunk)
    assert len(short.audio) == 300
    assert gap == AudioGap(call_id="c", position=300, length=100, reason=GapReason.LOST)
    (chunk,) = chunks(made.audio(noise(400)))
    assert (chunk.sequence, chunk.position, len(chunk.audio)) == (1, 400, 400)


def test_an_empty_gap_flushes_and_moves_nothing() -> None:
    """A turn of the peer is over: its audio goes out with the record, and the next audio follows at the same position."""
    made = session()
    made.audio(noise(300))
    short, gap = records(made.gap(0, GapReason.DISCARDED))
    assert isinstance(short, AudioChunk)
    assert gap == AudioGap(call_id="c", position=300, length=0, reason=GapReason.DISCARDED)
    assert records(made.gap(0, GapReason.DISCARDED)) == [gap]
    (chunk,) = chunks(made.audio(noise(500)))
    assert (chunk.sequence, chunk.position, len(chunk.audio)) == (1, 300, 500)


@given(
    total=st.integers(0, 5000),
    cuts=st.lists(st.integers(0, 10_000), max_size=20),
    channels=st.integers(1, 3),
    codec=st.sampled_from([AudioCodec.PCMU, AudioCodec.S16LE]),
)
def test_borders_do_not_depend_on_frames(total: int, cuts: list[int], channels: int, codec: AudioCodec) -> None:
    """However audio is cut into frames, the records are the same."""
    frame = channels * codec.sample_bytes
    audio = noise(total * frame)
    whole, pieces = session(codec=codec, channels=channels), session(codec=codec, channels=channels)
    expected = records(whole.audio(audio) + whole.end(complete=True, reason="hangup"))
    got = [entry for piece in cut(total, cuts) for entry in pieces.audio(audio[piece.start * frame : piece.stop * frame])]
    assert records(got + pieces.end(complete=True, reason="hangup")) == expected


@given(total=st.integers(1, 5000), gap_at=st.integers(0, 5000), safe=st.integers(0, 10))
def test_a_resumed_call_cuts_the_same_chunks(total: int, gap_at: int, safe: int) -> None:
    """From any place that was safe, another process makes the records that this one made or would have made."""
    audio, gap_at = noise(total), min(gap_at, total)

    def play(made: CallSession, start: int) -> list[Entry]:
        """Sends all from a position on, as a peer does; the gap is 1,000 samples long."""
        entries = [] if start > gap_at else made.audio(audio[start:gap_at]) + made.gap(1000, GapReason.LOST)
        rest = audio[gap_at:] if start <= gap_at else audio[start - 1000 :]
        return entries + made.audio(rest) + made.end(complete=True, reason="hangup")

    entries = play(session(), 0)
    # Where audio and gap meet at one position, the gap is sent again.
    at = min(safe, len(entries) - 1)
    point = entries[at].after if at else ResumePoint(sequence=0, position=0)
    if point.position == gap_at and isinstance(entries[at].record, AudioGap):
        return
    again = play(session(at=point), point.position)
    expected = [record for record in records(entries) if getattr(record, "position", -1) >= point.position]
    assert records(again) == expected


def test_audio_of_a_broken_frame_is_refused() -> None:
    """Half a sample frame is an error, and nothing is kept of it."""
    made = session(codec=AudioCodec.S16LE, channels=2)
    with pytest.raises(IllegalInput, match="not a whole number of sample frames of 4 bytes"):
        made.audio(bytes(6))
    assert made.received.position == 0


def test_nothing_of_a_pause_comes_out() -> None:
    """Audio and keys of a pause are dropped, what came before goes out first, and the clock goes on."""
    made = session()
    made.audio(noise(300))
    short, paused = records(made.pause(Holder.SERVICE, by="desk", reason="card number"))
    assert isinstance(short, AudioChunk)
    assert len(short.audio) == 300
    assert paused == CallPaused(call_id="c", position=300, requested_by="desk", reason="card number", paused_at=NOW)
    assert made.audio(noise(2000)) + made.dtmf("4", None) + made.gap(200, GapReason.LATE) == made.gap(0, GapReason.LATE) == []
    (resumed,) = records(made.resume(Holder.SERVICE, by="desk"))
    assert resumed == CallResumed(call_id="c", position=2500, requested_by="desk", resumed_at=NOW)
    (chunk,) = chunks(made.audio(noise(700)))
    assert (chunk.position, len(chunk.audio)) == (2500, 700)


def test_the_peer_does_not_open_what_the_service_closed() -> None:
    """The gate opens when the last of those who hold it lets go, and pausing twice is pausing once."""
    made = session()
    assert len(made.pause(Holder.SERVICE)) == 1
    assert made.pause(Holder.PEER) == made.pause(Holder.PEER) == []
    assert made.resume(Holder.PEER, skipped=80) == []
    assert made.gate.closed
    (resumed,) = records(made.resume(Holder.SERVICE))
    assert isinstance(resumed, CallResumed)
    assert resumed.position == 80
    assert made.resume(Holder.SERVICE) == []


def test_a_call_that_goes_on_elsewhere_says_how_its_gate_stands() -> None:
    """Open or closed is told again, and a closed one never gives a sequence number twice."""
    point = ResumePoint(sequence=7, position=5600)
    opened, closed = session(at=point, started=False), session(at=point, started=False)
    assert [type(record) for record in records(opened.start())] == [CallResumed]
    assert [type(record) for record in records(closed.start(GateState.BY_SERVICE))] == [CallPaused]
    assert opened.flushed == point
    assert closed.flushed.sequence > point.sequence + 100


def test_what_is_known_already_is_not_told() -> None:
    """Roles that change nothing give no record, others give all channels."""
    made = session(channels=2)
    agent = CallChannel(channel=1, role=Role.AGENT)
    (update, roles) = records(made.update(properties={"queue": "7"}, locale="", channels=[agent]))
    assert isinstance(update, CallUpdated)
    assert isinstance(roles, RolesCorrected)
    assert roles.channels == (CallChannel(channel=0), agent)
    assert made.update(properties={}, locale="", channels=[agent]) == []
    with pytest.raises(IllegalInput, match="no channel 2"):
        made.roles([CallChannel(channel=2)], by="desk")


_INPUTS = st.one_of(
    st.tuples(st.just("audio"), st.integers(0, 2000)),
    st.tuples(st.just("gap"), st.integers(0, 2000) | st.just(0)),
    st.tuples(st.sampled_from(["pause", "resume"]), st.sampled_from(list(Holder))),
    st.tuples(st.sampled_from(["dtmf", "start", "roles", "end"]), st.none()),
)


def tell(made: CallSession, what: str, value: Any) -> list[Entry]:
    """Tells a session one thing; audio in a pause is marked by bytes that stand nowhere else."""
    match what:
        case "audio":
            return made.audio(b"\xff" * value if made.gate.closed else noise(value))
        case "gap":
            return made.gap(value, GapReason.LOST)
        case "pause":
            return made.pause(value)
        case "resume":
            return made.resume(value)
        case "dtmf":
            return made.dtmf("1", 0)
        case "start":
            return made.start()
        case "roles":
            return made.roles([CallChannel(channel=0, role=Role.AGENT)], by="desk")
        case _:
            return made.end(complete=True, reason="hangup")


@given(st.lists(_INPUTS, max_size=40))
def test_any_sequence_of_inputs_gives_legal_records(inputs: list[tuple[str, Any]]) -> None:
    """Whatever is told in whatever order: what is not legal raises and changes nothing, the rest makes a legal log."""
    made, entries = session(started=False), []
    for what, value in inputs:
        before = (made.state, made.received)
        try:
            entries += tell(made, what, value)
        except IllegalInput:
            assert (made.state, made.received) == before
    position, sequence, paused, ended = 0, 0, False, False
    for number, record in enumerate(records(entries)):
        assert isinstance(record, CallStarted) == (number == 0)
        assert not ended
        match record:
            case AudioChunk():
                assert not paused
                assert (record.sequence, record.position) == (sequence, position)
                assert b"\xff" not in record.audio
                assert 0 < len(record.audio) <= CHUNK
                position, sequence = position + len(record.audio), sequence + 1
            case AudioGap():
                assert not paused
                assert record.position == position
                position += record.length
            case CallPaused():
                assert not paused
                assert record.position == position
                paused = True
            case CallResumed():
                assert paused
                assert record.position >= position
                position, paused = record.position, False
            case DtmfPressed():
                assert not paused
            case CallEnded():
                assert record.position >= position
                ended = True
    marks = [(entry.after.sequence, entry.after.position) for entry in entries]
    assert marks == sorted(marks)


@pytest.mark.parametrize("state", ["new", "ended"])
@pytest.mark.parametrize("what", ["audio", "gap", "pause", "resume", "dtmf", "roles", "end"])
def test_nothing_is_legal_outside_of_a_call(state: str, what: str) -> None:
    """Nothing but a start in a new one, and nothing at all in one that has ended."""
    made = session(started=state == "ended")
    if state == "ended":
        made.end(complete=True, reason="hangup")
        with pytest.raises(IllegalInput, match="start is not legal in a call that is ended"):
            made.start()
    with pytest.raises(IllegalInput, match=f"{what} is not legal in a call that is {state}"):
        tell(made, what, Holder.PEER if what in ("pause", "resume") else 1)


@pytest.mark.parametrize(("keep", "digit"), [(False, "x"), (True, "7")])
def test_of_a_key_only_that_it_was_pressed_is_told(keep: bool, digit: str) -> None:
    """Which one it was gets no further, unless a setting keeps it."""
    made = CallSession(session(started=False).started, chunk_ms=100, clock=lambda: NOW, keep_digits=keep)
    made.start()
    (entry,) = made.dtmf("7", 0)
    assert isinstance(entry.record, DtmfPressed)
    assert (entry.record.digit, entry.record.channel) == (digit, 0)
