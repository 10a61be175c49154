"""Voice activity cuts a channel into utterances, whatever the blocks the audio comes in."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from steno_transcriber.segmenter import RESTART_FRAMES, Segmenter, SegmenterOptions
from steno_transcriber.speech import SAMPLES_PER_MS, Samples, Utterance
from support.speech import call_audio, segment

MINUTE_MS = 60_000

Cut = tuple[int, int, int, int, bytes]


def speech(begin_ms: int, end_ms: int) -> Samples:
    samples: Samples = call_audio()[0][begin_ms * SAMPLES_PER_MS : end_ms * SAMPLES_PER_MS]
    return samples


def silence(milliseconds: int) -> Samples:
    return np.zeros(milliseconds * SAMPLES_PER_MS, dtype=np.float32)


def noise(milliseconds: int) -> Samples:
    generator = np.random.default_rng(milliseconds)
    return generator.normal(0, 0.01, milliseconds * SAMPLES_PER_MS).astype(np.float32)


def exact(utterances: list[Utterance]) -> list[Cut]:
    return [(cut.channel, cut.start_ms, cut.duration_ms, cut.padding_before_ms, cut.samples.tobytes()) for cut in utterances]


def cut(audio: Samples, *, blocks: list[int] | None = None, segmenter: Segmenter | None = None) -> list[Utterance]:
    """The utterances of audio given in blocks of these sizes, over and over; in one block without."""
    segmenter = segmenter or Segmenter(channel=0)
    sizes = blocks or [len(audio)]
    found: list[Utterance] = []
    position, turn = 0, 0
    while position < len(audio):
        size = sizes[turn % len(sizes)]
        found += segmenter.accept(audio[position : position + size])
        position, turn = position + size, turn + 1
    return found + list(segmenter.finish())


PIECES = st.lists(
    st.one_of(
        st.tuples(st.integers(0, 40_000), st.integers(50, 6_000)).map(lambda span: speech(span[0], span[0] + span[1])),
        st.tuples(st.integers(0, 40_000), st.integers(60, 250)).map(lambda span: speech(span[0], span[0] + span[1])),
        st.integers(1, 2_000).map(silence),
        st.integers(1, 2_000).map(noise),
    ),
    min_size=1,
    max_size=6,
).map(np.concatenate)

SILENCES = st.just(300) | st.integers(100, 5_000)


@settings(max_examples=40, deadline=None)
@given(
    audio=PIECES,
    blocks=st.lists(st.integers(1, 40_000).filter(lambda size: size > 300), min_size=1, max_size=5),
    silence_ms=SILENCES,
)
def test_utterances_do_not_depend_on_the_blocks(audio: Samples, blocks: list[int], silence_ms: int) -> None:
    """However the audio is cut on its way here, the utterances are the same to the sample."""
    in_blocks, whole = (Segmenter(channel=0, options=SegmenterOptions(silence_ms=silence_ms)) for _ in range(2))
    assert exact(cut(audio, blocks=blocks, segmenter=in_blocks)) == exact(cut(audio, segmenter=whole))


@settings(max_examples=40, deadline=None)
@given(audio=PIECES, padding_ms=st.integers(0, 300), maximum_ms=st.integers(2_000, 8_000), silence_ms=SILENCES)
def test_utterances_are_pieces_of_the_audio_in_order(audio: Samples, padding_ms: int, maximum_ms: int, silence_ms: int) -> None:
    """Their samples are the audio at their place, they do not overlap, and none is longer than allowed."""
    options = SegmenterOptions(padding_ms=padding_ms, maximum_ms=maximum_ms, silence_ms=silence_ms)
    heard_until = 0
    for utterance in cut(audio, segmenter=Segmenter(channel=0, options=options)):
        begin = utterance.audio_start_ms * SAMPLES_PER_MS
        assert np.array_equal(utterance.samples, audio[begin : begin + len(utterance.samples)])
        assert utterance.audio_start_ms >= heard_until
        assert utterance.padding_before_ms <= padding_ms
        assert utterance.duration_ms <= maximum_ms
        assert utterance.duration_ms * SAMPLES_PER_MS <= len(utterance.samples)
        heard_until = utterance.audio_start_ms + len(utterance.samples) // SAMPLES_PER_MS


def long_call() -> Samples:
    return np.concatenate([call_audio()[0], silence(800), call_audio()[1], noise(700), call_audio()[0]])


@pytest.mark.parametrize("silence_ms", [100, 300, 1500])
def test_a_segmenter_begun_at_the_restart_comes_to_the_same_utterances(silence_ms: int) -> None:
    """Live failover: whoever takes over hears the audio from the last restart, and no more."""
    audio, options = long_call(), SegmenterOptions(silence_ms=silence_ms)
    undisturbed = cut(audio, segmenter=Segmenter(channel=0, options=options))
    first = Segmenter(channel=0, options=options)
    killed_at = 100_000 * SAMPLES_PER_MS
    before = list(first.accept(audio[:killed_at]))
    assert MINUTE_MS <= first.restart_ms < 100_000
    successor = Segmenter(channel=0, start_ms=first.restart_ms, options=options)
    after = cut(audio[first.restart_ms * SAMPLES_PER_MS :], segmenter=successor)
    final = [utterance for utterance in before if utterance.end_ms <= first.restart_ms]
    assert exact(final + after) == exact(undisturbed)


def test_it_restarts_only_between_utterances_and_about_once_a_minute() -> None:
    """Often enough to be replayed in milliseconds, too rare to cost words."""
    segmenter = Segmenter(channel=0)
    audio, restarts = long_call(), [0]
    for begin in range(0, len(audio), 480):
        for _ in segmenter.accept(audio[begin : begin + 480]):
            pass
        if segmenter.restart_ms != restarts[-1]:
            assert not segmenter.speaking
            restarts.append(segmenter.restart_ms)
    assert len(restarts) == 3
    assert all(MINUTE_MS <= later - earlier < 90_000 for earlier, later in pairwise(restarts))


def test_silence_restarts_it_as_well() -> None:
    """A caller on hold is not replayed from the beginning of the call."""
    segmenter = Segmenter(channel=0)
    assert not list(segmenter.accept(silence(RESTART_FRAMES * 30 + 30)))
    assert segmenter.restart_ms == MINUTE_MS


def test_a_long_utterance_is_cut_where_it_is_quietest() -> None:
    """Speech without a pause is cut, and none of it is lost."""
    loud = np.tile(speech(1_000, 2_500), 6) + noise(9_000)
    loud[5_000 * SAMPLES_PER_MS : 5_150 * SAMPLES_PER_MS] *= 0.001
    options = SegmenterOptions(maximum_ms=6_000)
    first, second, *_ = cut(loud, segmenter=Segmenter(channel=0, options=options))
    assert abs(first.end_ms - 5_075) <= 60
    assert second.start_ms == first.end_ms


def test_an_utterance_still_open_at_the_end_is_given() -> None:
    """A recording may end in the middle of a word."""
    (utterance,) = cut(speech(1_000, 3_010))
    assert utterance.end_ms <= 2_010
    assert len(utterance.samples) == 2_010 * SAMPLES_PER_MS


def test_times_count_from_where_it_began() -> None:
    """A successor's utterances lie at their time in the call."""
    (utterance,) = cut(speech(1_000, 3_000), segmenter=Segmenter(channel=1, start_ms=7_000))
    assert 7_000 <= utterance.start_ms < 8_000
    assert utterance.channel == 1


def test_each_channel_is_cut_by_itself() -> None:
    """What one says does not change where the other is cut."""
    audio = call_audio()
    together = list(segment(np.array_split(audio, 9, axis=1)))
    for channel in (0, 1):
        alone = cut(audio[channel])
        assert [(found.start_ms, found.end_ms) for found in together if found.channel == channel] == [
            (found.start_ms, found.end_ms) for found in alone
        ]


@pytest.mark.parametrize("wrong", [{"padding_ms": -1}, {"padding_ms": 301}, {"maximum_ms": 1_999}, {"silence_ms": 99}])
def test_options_that_cannot_be_kept_are_refused(wrong: dict[str, int]) -> None:
    """The window of 0.3 s is all the padding there is."""
    with pytest.raises(ValueError, match="must be"):
        SegmenterOptions(**wrong)


@pytest.mark.parametrize("value", [0.0, 1e-42, -1e-42, 1.0, -1.0, 1_000.0, -1_000.0])
@pytest.mark.parametrize("samples", [0, 1, 479, 480, 100_000])
def test_odd_audio_is_cut_like_any(value: float, samples: int) -> None:
    """Nothing, next to nothing, far more than full scale, of any length: no error, and no utterance without audio."""
    block = np.full((2, samples), value, dtype=np.float32)
    for utterance in segment([block, block[:, :0], block]):
        assert 0 < len(utterance.samples) <= 2 * samples
