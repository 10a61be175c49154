"""A channel that is too quiet to hear is raised; one that is not, is heard as ever."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from steno_transcriber.segmenter import DECODED
from steno_transcriber.speech import SAMPLES_PER_MS, Samples, Utterance
from steno_transcriber.utterance_finder import GAIN, HEARD, FinderMark, UtteranceFinder, loudness
from support.crosstalk import by_telephone
from support.speech import call_audio, segment

from steno.events.observations import Observation

Exact = tuple[int, int, int, bytes]


def voice(begin_ms: int = 0, end_ms: int = 40_000, *, channel: int = 0, decibels: float = 0.0) -> Samples:
    """A caller of the sample call, whose loudest frames are at -20 dBFS, or so much louder."""
    return call_audio()[channel, begin_ms * SAMPLES_PER_MS : end_ms * SAMPLES_PER_MS] * np.float32(10 ** (decibels / 20))


def noise(milliseconds: int, *, decibels: float) -> Samples:
    generator = np.random.default_rng(milliseconds)
    return generator.normal(0, 10 ** (decibels / 20), milliseconds * SAMPLES_PER_MS).astype(np.float32)


class Alone:
    """No other channels; or some, which are so loud that they are heard here."""

    def __init__(self, *, loud: bool = False) -> None:
        self.loud = loud

    def remove_copies(self, utterance: Utterance) -> Sequence[Utterance]:
        return (utterance,)

    def is_masked(self, utterance: Utterance) -> bool:
        return self.loud


class Heard:
    """A channel without others beside it."""

    def __init__(self, *, beside: Alone | None = None) -> None:
        self.told: list[Observation] = []
        mark = FinderMark(restart_ms=0)
        self.finder = UtteranceFinder(0, DECODED, mark=mark, beside=beside or Alone(), report=self.told.append)

    @property
    def too_quiet(self) -> list[tuple[int, int]]:
        assert {observation.kind for observation in self.told} <= {"too_quiet"}
        return [(observation.start_ms, observation.start_ms + observation.duration_ms) for observation in self.told]

    def all_of(self, audio: Samples, *, blocks: Sequence[int] = (1600,)) -> list[Utterance]:
        self.finder.start(0)
        found: list[Utterance] = []
        position, turn = 0, 0
        while position < len(audio):
            found += self.finder.add_audio(audio[position : position + blocks[turn % len(blocks)]])
            position, turn = position + blocks[turn % len(blocks)], turn + 1
        return found + list(self.finder.finish())


def exact(utterances: Sequence[Utterance]) -> list[Exact]:
    return [(cut.start_ms, cut.duration_ms, cut.padding_before_ms, cut.samples.tobytes()) for cut in utterances]


def plain(audio: Samples) -> list[Utterance]:
    return list(segment([audio[np.newaxis]]))


def seconds(utterances: Sequence[Utterance]) -> float:
    return sum(utterance.duration_ms for utterance in utterances) / 1000


@pytest.mark.parametrize("decibels", [-24, -30, -34, -40])
@pytest.mark.parametrize("line", [lambda audio: audio, lambda audio: by_telephone(audio[np.newaxis])[0]])
def test_a_quiet_caller_is_heard(decibels: int, line: object) -> None:
    """At -50 and -60 dBFS, linear and through G.711: about as much as of a loud one, loud enough for the engine, and told."""
    assert callable(line)
    quiet = Heard()
    found = quiet.all_of(line(voice(decibels=decibels)))
    assert seconds(found) == pytest.approx(seconds(plain(voice())), rel=0.15)
    assert all(loudness(utterance) >= HEARD for utterance in found)
    assert quiet.too_quiet == [(utterance.start_ms, utterance.end_ms) for utterance in found]


@pytest.mark.parametrize("decibels", [0, -6, -12, 12])
@pytest.mark.parametrize("channel", [0, 1])
def test_who_speaks_up_is_heard_as_ever(decibels: int, channel: int) -> None:
    """To the bit, and nothing is told."""
    ordinary = Heard()
    audio = voice(channel=channel, decibels=decibels)
    assert exact(ordinary.all_of(audio)) == exact(plain(audio))
    assert not ordinary.too_quiet


def test_what_is_quiet_beside_somebody_who_speaks_up_is_not_raised() -> None:
    """Breath before the first word, and a room behind whoever listens."""
    audio = np.concatenate([voice(1000, 2800, decibels=-36), noise(500, decibels=-80), voice(), voice(0, 20_000, decibels=-36)])
    ordinary = Heard()
    assert exact(ordinary.all_of(audio)) == exact(plain(audio))
    assert not ordinary.too_quiet


@pytest.mark.parametrize("decibels", [-30, -50, -60, -70, -80])
@pytest.mark.parametrize("pause_ms", [0, 3000])
def test_noise_is_not_raised(decibels: int, pause_ms: int) -> None:
    """Of any level, all the time or now and then: what does not rise and fall is no speech."""
    stretch = np.concatenate([noise(8000, decibels=decibels), np.zeros(pause_ms * SAMPLES_PER_MS, dtype=np.float32)])
    audio = np.tile(stretch, 6)
    found = Heard().all_of(audio)
    assert exact(found) == exact(plain(audio))
    assert all(loudness(utterance) >= HEARD for utterance in found)


def test_digital_silence_costs_nothing_and_says_nothing() -> None:
    """An hour of it holds nothing."""
    silent = Heard()
    assert not silent.all_of(np.zeros(200 * 16_000, dtype=np.float32))
    assert silent.finder.mark.restart_ms >= 180_000


def test_who_speaks_up_on_a_quiet_line_is_not_distorted() -> None:
    """A channel that is raised goes on so; what is loud on it is given as it came."""
    audio = np.concatenate([voice(0, 20_000, decibels=-34), voice(20_000, 40_000)])
    found = Heard().all_of(audio)
    loud = [utterance for utterance in found if utterance.audio_start_ms > 20_000]
    assert loud
    for utterance in loud:
        begin = utterance.audio_start_ms * SAMPLES_PER_MS
        assert np.array_equal(utterance.samples, audio[begin : begin + len(utterance.samples)])


def test_the_gain_is_bounded() -> None:
    """What would need more is raised by no more than it."""
    audio = voice(decibels=-52)
    for utterance in Heard().all_of(audio):
        begin = utterance.audio_start_ms * SAMPLES_PER_MS
        assert np.array_equal(utterance.samples, audio[begin : begin + len(utterance.samples)] * np.float32(GAIN))


def test_an_echo_of_others_is_not_taken_for_quiet_speech() -> None:
    """While others are much louder nothing quiet counts, and so the channel is not raised."""
    beside_others = Heard(beside=Alone(loud=True))
    assert not beside_others.all_of(voice(decibels=-34))
    assert not beside_others.told


PIECES = st.lists(
    st.one_of(
        st.tuples(st.integers(0, 30_000), st.integers(200, 5_000), st.sampled_from([0, 0, -24, -30, -34, -40])).map(
            lambda drawn: voice(drawn[0], drawn[0] + drawn[1], decibels=drawn[2])
        ),
        st.integers(1, 2_000).map(lambda milliseconds: np.zeros(milliseconds * SAMPLES_PER_MS, dtype=np.float32)),
        st.tuples(st.integers(1, 2_000), st.sampled_from([-70, -50])).map(lambda drawn: noise(drawn[0], decibels=drawn[1])),
    ),
    min_size=1,
    max_size=8,
).map(np.concatenate)


@settings(max_examples=30, deadline=None)
@given(audio=PIECES, blocks=st.lists(st.integers(301, 40_000), min_size=1, max_size=5))
def test_what_is_found_does_not_depend_on_the_blocks(audio: Samples, blocks: list[int]) -> None:
    """Nor what is told."""
    one, other = Heard(), Heard()
    assert exact(one.all_of(audio, blocks=blocks)) == exact(other.all_of(audio, blocks=[len(audio)]))
    assert sorted(one.too_quiet) == sorted(other.too_quiet)


@settings(max_examples=30, deadline=None)
@given(audio=PIECES)
def test_utterances_do_not_overlap(audio: Samples) -> None:
    """Whatever is decided on the way: one begins behind the end of the one before."""
    heard_until = 0
    for utterance in Heard().all_of(audio):
        assert utterance.start_ms >= heard_until
        heard_until = utterance.end_ms
