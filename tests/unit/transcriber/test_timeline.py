"""Where the frames of a track belong: by their timestamps, as far as those make sense."""

from hypothesis import given
from hypothesis import strategies as st
from steno_transcriber.audio.timeline import MOST_SILENCE_MS, Silence, Timeline

RATE = 8_000
FRAME = 160
SECOND = RATE
HOUR = 3_600 * SECOND


def silences(begins: list[int | None], *, lost: dict[int, int] | None = None) -> list[int]:
    """What stands before each of some frames of 20 ms."""
    line = Timeline(RATE)
    after = [*begins[1:], None]
    return [
        line.place(FRAME, begins=at, next_begins=following, lost=(lost or {}).get(number, 0)).samples
        for number, (at, following) in enumerate(zip(begins, after, strict=True))
    ]


def frames(first: int, count: int) -> list[int | None]:
    return [first + FRAME * number for number in range(count)]


def test_frames_that_follow_each_other_have_nothing_between_them() -> None:
    """With timestamps, without, or rounded; encoders begin a little before or after zero."""
    assert silences(frames(0, 5)) == [0] * 5
    assert silences(frames(-312, 5)) == [0] * 5
    assert silences(frames(552, 5)) == [0] * 5
    assert silences([None] * 5) == [0] * 5
    assert silences([8 * round(at / 8 + 0.4) for at in range(0, 5 * FRAME, FRAME)]) == [0] * 5


def test_a_hole_is_silence_of_its_length() -> None:
    """In the middle, or before the first frame."""
    assert silences(frames(0, 2) + frames(20 * SECOND, 2)) == [0, 0, 20 * SECOND - 2 * FRAME, 0]
    assert silences(frames(5 * SECOND, 2)) == [5 * SECOND, 0]


def test_a_hole_of_more_than_an_hour_is_none() -> None:
    """Nobody's call stands still for so long: the clock began anew, and what follows keeps its own times."""
    assert silences(frames(0, 2) + frames(HOUR + 3 * FRAME, 2) + frames(HOUR + SECOND, 1)) == [
        0, 0, 0, 0, SECOND - 5 * FRAME,
    ]  # fmt: skip


def test_a_clock_that_goes_back_began_anew() -> None:
    """As where two Ogg files were joined: the second one follows the first, its own holes included."""
    assert silences(frames(0, 100) + frames(0, 2) + frames(SECOND, 1)) == [0] * 102 + [SECOND - 2 * FRAME]


def test_what_overlaps_a_little_is_not_left_out() -> None:
    """It follows at once, and a later hole takes that back."""
    assert silences(frames(0, 20) + frames(1_600, 1) + frames(2 * SECOND, 1)) == [0] * 21 + [2 * SECOND - 21 * FRAME]


def test_one_damaged_timestamp_moves_nothing() -> None:
    """The next frame tells that the clock is where it was."""
    for wrong in (1, 30 * SECOND, 10 * HOUR, -10 * HOUR, 2**62):
        assert silences([*frames(0, 5), wrong, *frames(6 * FRAME, 3)]) == [0] * 9


def test_what_was_lost_is_silence_of_its_length() -> None:
    """By the timestamps to the sample; without them by what is known of it."""
    assert silences(frames(0, 2) + frames(5 * FRAME, 1), lost={2: 2 * FRAME}) == [0, 0, 3 * FRAME]
    assert silences([None, None, None], lost={2: 2 * FRAME}) == [0, 0, 2 * FRAME]
    assert silences(frames(0, 2) + frames(-HOUR, 2), lost={2: 2 * FRAME}) == [0, 0, 2 * FRAME, 0]


def test_what_was_lost_is_told_from_what_never_was() -> None:
    """So that a recording can say both."""
    line = Timeline(RATE)
    assert line.place(FRAME, begins=SECOND) == Silence(samples=SECOND, damaged=False)
    assert line.place(FRAME, begins=2 * SECOND, lost=FRAME) == Silence(samples=SECOND - FRAME, damaged=True)
    assert line.add_loss(FRAME) == Silence(samples=FRAME, damaged=True)
    assert line.position == 2 * SECOND + 2 * FRAME


anything = st.none() | st.integers(-(2**63), 2**63) | st.integers(-HOUR, HOUR)


@given(st.lists(st.tuples(anything, st.integers(1, 65_535), st.integers(0, 2**40)), max_size=20))
def test_no_timestamp_takes_audio_or_more_than_an_hour(given_frames: list[tuple[int | None, int, int]]) -> None:
    """Whatever they say: frames stand in their order and one after another, each an hour behind the one before at most."""
    line = Timeline(RATE)
    position = 0
    for number, (begins, length, lost) in enumerate(given_frames):
        following = given_frames[number + 1][0] if number + 1 < len(given_frames) else None
        silence = line.place(length, begins=begins, next_begins=following, lost=lost)
        assert 0 <= silence.samples <= RATE * MOST_SILENCE_MS // 1000
        position += silence.samples + length
        assert line.position == position


@given(st.lists(st.tuples(st.integers(0, 10 * SECOND), st.integers(1, 8_000)), min_size=1, max_size=30))
def test_times_follow_timestamps(holes: list[tuple[int, int]]) -> None:
    """However many holes there are, each frame begins within 100 ms of where its timestamp says."""
    line = Timeline(RATE)
    at, begins = 0, []
    for hole, length in holes:
        begins.append(at + hole)
        at += hole + length
    for number, (_, length) in enumerate(holes):
        following = begins[number + 1] if number + 1 < len(begins) else None
        line.place(length, begins=begins[number], next_begins=following)
        assert abs(line.position - length - begins[number]) <= RATE // 10
