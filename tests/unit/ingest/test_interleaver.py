"""Tracks that come in messages of their own become aligned channels, in whatever order, and lose nothing within the bound."""

import random
from dataclasses import dataclass, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from steno_ingest.calls.doors.actions import Audio, Gap
from steno_ingest.calls.doors.audio_format import AudioFormat
from steno_ingest.calls.doors.interleaver import MAX_WAIT_MS, Interleaver

from steno.events.records import AudioCodec

SILENCE = b"\xff"
G711 = AudioFormat(AudioCodec.PCMU, 8000)
FRAME_MS = 20
FRAME = FRAME_MS * 8


@dataclass(frozen=True)
class Sent:
    """A frame as its platform sends it."""

    channel: int
    chunk: int
    timestamp_ms: float
    audio: bytes

    def give(self, tracks: Interleaver, *, now: float = 0) -> list[Audio | Gap]:
        return tracks.add(self.channel, self.audio, chunk=self.chunk, timestamp_ms=self.timestamp_ms, now=now)


def frame(channel: int, number: int, *, start_ms: int = 0, byte: int | None = None) -> Sent:
    """The frame of a track that its platform numbers so, its audio a byte nothing else has."""
    audio = bytes([(number * 2 + channel) % 255 if byte is None else byte]) * FRAME
    return Sent(channel, number + 1, start_ms + number * FRAME_MS, audio)


def decoded(given: list[Audio | Gap], channels: int) -> list[bytes]:
    """The channels of what was given; a gap as zero bytes, one a sample."""
    out = [b""] * channels
    for action in given:
        for channel in range(channels):
            out[channel] += action.data[channel::channels] if isinstance(action, Audio) else bytes(action.length)
    return out


def expected(frames: list[Sent], channels: int) -> list[bytes]:
    """Every frame at its timestamp, silence beside the other track's audio, a gap where there is none."""
    origin = min(sent.timestamp_ms for sent in frames)
    length = int(max(sent.timestamp_ms for sent in frames) - origin) * 8 + FRAME
    timelines = [bytearray(SILENCE * length) for _ in range(channels)]
    heard = bytearray(length)
    for sent in frames:
        start = int(sent.timestamp_ms - origin) * 8
        timelines[sent.channel][start : start + FRAME] = sent.audio
        heard[start : start + FRAME] = b"\1" * FRAME
    for timeline in timelines:
        for position in range(0, length, 8):
            if not heard[position]:
                timeline[position : position + 8] = bytes(8)
    return [bytes(timeline) for timeline in timelines]


@st.composite
def deliveries(draw: st.DrawFn, *, ordered: bool) -> tuple[int, list[Sent]]:
    """One or two tracks with frames missing, delivered with delays within the patience."""
    channels = draw(st.integers(1, 2))
    seed = random.Random(draw(st.integers(0, 2**32)))
    count, loss, delay = (
        draw(st.integers(1, 60)),
        draw(st.sampled_from([0.0, 0.1, 0.5])),
        draw(st.integers(0, MAX_WAIT_MS - 40)),
    )
    start_ms = draw(st.integers(0, 500))
    frames = [
        frame(channel, number, start_ms=start_ms, byte=seed.randrange(1, 255))
        for channel in range(channels)
        for number in range(count)
        if seed.random() >= loss
    ]
    latest = [0.0] * channels
    due: dict[Sent, float] = {}
    for sent in frames:
        at = sent.timestamp_ms + seed.random() * delay
        latest[sent.channel] = max(latest[sent.channel], at) if ordered else at
        due[sent] = latest[sent.channel]
    return channels, sorted(frames, key=due.__getitem__)


@settings(max_examples=150, deadline=None)
@given(deliveries(ordered=True))
def test_tracks_in_order_are_aligned(delivery: tuple[int, list[Sent]]) -> None:
    """Whatever one track is ahead of the other within the patience, every frame stands at its time in its channel."""
    check(*delivery, ordered=True)


@settings(max_examples=150, deadline=None)
@given(deliveries(ordered=False))
def test_frames_out_of_order_are_put_in_order(delivery: tuple[int, list[Sent]]) -> None:
    """Frames that come out of order within the patience stand at their time as if they had not."""
    check(*delivery, ordered=False)


def check(channels: int, frames: list[Sent], *, ordered: bool) -> None:
    tracks = Interleaver(channels=channels, audio_format=G711, ordered=ordered)
    given = [action for sent in frames for action in sent.give(tracks)] + tracks.flush()
    if not frames:
        assert given == []
        return
    assert decoded(given, channels) == expected(frames, channels)
    assert tracks.late == [0] * channels
    assert not tracks.waiting


def test_both_tracks_are_given_as_soon_as_both_are_there() -> None:
    """A frame waits for that of the other track and no longer."""
    tracks = Interleaver(channels=2, audio_format=G711)
    assert frame(0, 0, byte=1).give(tracks) == []
    assert frame(1, 0, byte=2).give(tracks) == [Audio(data=b"\1\2" * FRAME)]


def test_a_single_track_never_waits() -> None:
    """With one track in order there is nothing to wait for."""
    tracks = Interleaver(channels=1, audio_format=G711)
    assert frame(0, 0, byte=7).give(tracks) == [Audio(data=b"\7" * FRAME)]


def test_a_track_that_never_comes_is_silence_and_counted() -> None:
    """The other track goes on alone after the patience; the silence put in is counted."""
    tracks = Interleaver(channels=2, audio_format=G711)
    given = [action for number in range(50) for action in frame(0, number, byte=9).give(tracks)]
    heard, other = decoded(given, 2)
    assert len(heard) == 50 * FRAME - MAX_WAIT_MS * 8
    assert set(heard) == {9}
    assert set(other) == {SILENCE[0]}
    assert tracks.filled == [0, len(other)]


def test_what_comes_after_its_span_was_filled_is_dropped_and_counted() -> None:
    """Channels stay aligned: audio too late for its place is not put in another one."""
    tracks = Interleaver(channels=2, audio_format=G711)
    given = [action for number in range(20) for action in frame(0, number, byte=9).give(tracks)]
    given += [action for number in range(20) for action in frame(1, number, byte=8).give(tracks)]
    given += tracks.flush()
    heard, other = decoded(given, 2)
    assert set(heard) == {9}
    filled = 20 * FRAME - MAX_WAIT_MS * 8
    assert other == SILENCE * filled + b"\x08" * (MAX_WAIT_MS * 8)
    assert tracks.late == [0, filled]


def test_a_track_that_stays_late_is_shifted_and_not_lost() -> None:
    """A leg that is always half a second behind loses a second at most, and is then taken as it comes."""
    tracks = Interleaver(channels=2, audio_format=G711)
    given: list[Audio | Gap] = []
    for number in range(500):
        given += frame(0, number, byte=9).give(tracks)
        if number >= 25:
            given += frame(1, number - 25, byte=8).give(tracks)
    other = decoded(given, 2)[1]
    assert tracks.late[1] <= 1_000 * 8
    assert set(other[-FRAME:]) == {8}


@pytest.mark.parametrize("jump_ms", [-3_600_000, 3_600_000, 10**15])
def test_a_clock_that_jumps_loses_no_audio(jump_ms: int) -> None:
    """Timestamps that run back or far ahead are set anew; the audio goes on without a gap."""
    tracks = Interleaver(channels=1, audio_format=G711)
    frames = [frame(0, number, start_ms=0 if number < 10 else jump_ms, byte=5) for number in range(20)]
    given = [action for sent in frames for action in sent.give(tracks)]
    assert decoded(given, 1) == [b"\5" * 20 * FRAME]


def test_a_long_silence_of_both_tracks_is_a_gap_when_as_much_time_went_by() -> None:
    """A platform that sends nothing for minutes of hold leaves a gap of minutes, not a jump of its clock."""
    tracks = Interleaver(channels=1, audio_format=G711)
    frame(0, 0).give(tracks, now=100)
    given = frame(0, 15_000, byte=5).give(tracks, now=400)
    assert given == [Gap(length=15_000 * FRAME - FRAME, reason=given[0].reason), Audio(data=b"\5" * FRAME)]  # type: ignore[union-attr]


def test_jitter_of_timestamps_is_no_gap() -> None:
    """Consecutive frames whose timestamps tremble stand one behind the other."""
    tracks = Interleaver(channels=1, audio_format=G711)
    seed = random.Random(4)
    given: list[Audio | Gap] = []
    for number in range(200):
        given += frame(0, number, start_ms=seed.randrange(60), byte=5).give(tracks)
    assert decoded(given, 1) == [b"\5" * 200 * FRAME]


def test_frames_without_numbers_and_times_are_taken_as_they_come() -> None:
    """A platform that neither counts nor tells the time is believed to send in order."""
    tracks = Interleaver(channels=1, audio_format=G711)
    given = [action for byte in (1, 2, 3) for action in tracks.add(0, bytes([byte]) * 4, chunk=None, timestamp_ms=None, now=0)]
    assert decoded(given, 1) == [b"\1\1\1\1\2\2\2\2\3\3\3\3"]


def test_a_frame_that_comes_twice_is_taken_once() -> None:
    """A repeated chunk is dropped and counted."""
    tracks = Interleaver(channels=1, audio_format=G711, ordered=False)
    given = [action for number in (0, 1, 1, 2) for action in frame(0, number).give(tracks)] + tracks.flush()
    assert decoded(given, 1) == expected([frame(0, number) for number in range(3)], 1)
    assert tracks.late == [FRAME]


@pytest.mark.parametrize("wrong_ms", [0.0, 3, 700, 4_000, 9_000, 10**9, 10**15])
@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("at", [1, 25, 48])
def test_one_wrong_timestamp_moves_nothing(wrong_ms: float, channels: int, at: int) -> None:
    """Whatever a single timestamp says, where the others agree all frames stand where they should."""
    tracks = Interleaver(channels=channels, audio_format=G711)
    frames = [frame(channel, number, start_ms=500) for number in range(50) for channel in range(channels)]
    given = []
    for position, sent in enumerate(frames):
        told = replace(sent, timestamp_ms=wrong_ms) if position == at * channels else sent
        given += told.give(tracks, now=position / 50 / channels)
    given += tracks.flush()
    assert decoded(given, channels) == expected(frames, channels)
    assert tracks.late == [0] * channels


def test_a_frame_between_two_silences_stands_at_its_time() -> None:
    """That the frame behind it jumps too does not make its timestamp wrong."""
    tracks = Interleaver(channels=1, audio_format=G711)
    frames = [frame(0, number) for number in (0, 10, 20, 21)]
    assert decoded([action for sent in frames for action in sent.give(tracks)] + tracks.flush(), 1) == expected(frames, 1)


@pytest.mark.parametrize("ordered", [True, False])
def test_a_frame_whose_number_is_wrong_is_taken(ordered: bool) -> None:
    """A number that makes no sense, once or from here on, costs nothing where the timestamps go on."""
    for number in (0, 1, 10**15):
        tracks = Interleaver(channels=1, audio_format=G711, ordered=ordered)
        frames = [frame(0, position) for position in range(40)]
        once = [replace(sent, chunk=number) if position == 20 else sent for position, sent in enumerate(frames)]
        assert decoded([action for sent in once for action in sent.give(tracks)] + tracks.flush(), 1) == expected(frames, 1)


def test_numbers_that_begin_anew_cost_a_second_at_most() -> None:
    """A platform that counts from one again, without a timestamp, is believed after a second."""
    tracks = Interleaver(channels=1, audio_format=G711)
    numbers = [*range(1, 101), *range(1, 101)]
    given = [action for number in numbers for action in tracks.add(0, b"\5" * FRAME, chunk=number, timestamp_ms=None, now=0)]
    assert tracks.late == [1_000 * 8]
    assert len(decoded(given, 1)[0]) == 200 * FRAME - 1_000 * 8


def test_frames_that_are_doubled_or_swapped_lose_those_frames_at_most() -> None:
    """A platform that keeps its order is believed; a frame that overtakes another costs the other, and nothing behind it."""
    tracks = Interleaver(channels=1, audio_format=G711)
    frames = [frame(0, number) for number in range(12)]
    order = [0, 1, 2, 2, 3, 5, 4, 6, 7, 8, 9, 10, 11]
    given = [action for number in order for action in frames[number].give(tracks)] + tracks.flush()
    assert decoded(given, 1) == expected([sent for number, sent in enumerate(frames) if number != 4], 1)
    assert tracks.late == [2 * FRAME]


def test_samples_of_two_bytes_stay_whole() -> None:
    """Linear audio of 16 bits at 16 kHz is interleaved, filled and counted by samples."""
    tracks = Interleaver(channels=2, audio_format=AudioFormat(AudioCodec.S16LE, 16_000))
    left, right = bytes(range(1, 65)) * 10, bytes(range(65, 129)) * 10
    given = tracks.add(0, left, chunk=1, timestamp_ms=0, now=0)
    given += tracks.add(1, right, chunk=1, timestamp_ms=0, now=0)
    given += tracks.add(0, left, chunk=2, timestamp_ms=20, now=0)
    given += tracks.add(0, left, chunk=4, timestamp_ms=2_020, now=2) + tracks.flush()
    first, alone, *gaps, last = given
    assert isinstance(first, Audio)
    samples = memoryview(first.data).cast("H")
    assert (bytes(samples[0::2]), bytes(samples[1::2])) == (left, right)
    silent = bytearray(2 * len(left))
    memoryview(silent).cast("H")[0::2] = memoryview(left).cast("H")
    assert (alone, last) == (Audio(data=bytes(silent)), Audio(data=bytes(silent)))
    assert sum(gap.length for gap in gaps if isinstance(gap, Gap)) == 1_980 * 16
    assert tracks.filled == [0, 640]


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 1),
            st.none() | st.integers(-(2**60), 2**60) | st.integers(0, 50),
            st.none() | st.integers(-(2**60), 2**60) | st.integers(0, 3_000),
            st.binary(max_size=200),
            st.floats(0, 1e6),
        ),
        max_size=200,
    ),
    st.booleans(),
)
def test_nothing_a_peer_says_makes_it_hold_more_than_a_little(
    sent: list[tuple[int, int | None, int | None, bytes, float]], ordered: bool
) -> None:
    """Numbers and times that make no sense neither raise nor pile up audio."""
    tracks = Interleaver(channels=2, audio_format=G711, ordered=ordered)
    taken = heard = now = 0.0
    for channel, chunk, timestamp_ms, audio, passed in sent:
        now += passed
        taken += len(audio)
        for action in tracks.add(channel, audio, chunk=chunk, timestamp_ms=timestamp_ms, now=now):
            heard += len(action.data) if isinstance(action, Audio) else 0
    heard += sum(len(action.data) for action in tracks.flush() if isinstance(action, Audio))
    assert not tracks.waiting
    assert heard - sum(tracks.filled) + sum(tracks.late) == taken
