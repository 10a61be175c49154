"""What a channel hears of another is told from what is said on it, by the sound alone."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from steno_transcriber.crosstalk import CopiedSpan, CopyDetector, Separated
from steno_transcriber.segmenter import DECODED
from steno_transcriber.similarity import EARLIEST_MS, LATEST_MS
from steno_transcriber.speech import SAMPLES_PER_MS, Utterance
from support.crosstalk import by_telephone, doubled, leaky
from support.live_calls import Heard
from support.speech import call_audio, segment

SECONDS = 20


def call(name: str = "lost-card", *, begin_ms: int = 0, seconds: int = SECONDS) -> Heard:
    begin = begin_ms * SAMPLES_PER_MS
    return call_audio(name)[:, begin : begin + seconds * 1000 * SAMPLES_PER_MS]


def together(count: int = 2) -> CopyDetector:
    return CopyDetector(count, DECODED, report=lambda _: None)


def taken_apart(audio: Heard) -> list[Separated]:
    channels = together(len(audio))
    channels.add_audio(audio)
    return [channels.separate(utterance) for utterance in segment([audio])]


def said(audio: Heard) -> list[Utterance]:
    found = [part for apart in taken_apart(audio) for part in apart.said]
    return sorted(found, key=lambda part: (part.start_ms, part.channel))


def copied(audio: Heard) -> list[CopiedSpan]:
    return [apart.copied for apart in taken_apart(audio) if apart.copied is not None]


def near(found: Sequence[Utterance], expected: Sequence[Utterance]) -> bool:
    """Whether the same was said on the same channels, to 0.1 s or what little the detector hears otherwise."""
    return [part.channel for part in found] == [part.channel for part in expected] and all(
        abs(one.start_ms - other.start_ms) <= 120 and abs(one.end_ms - other.end_ms) <= 240
        for one, other in zip(found, expected, strict=True)
    )


@pytest.mark.parametrize("delay_ms", [0, 20, 120, 300])
@pytest.mark.parametrize("decibels", [-10, -15, -20, -25])
def test_what_leaks_from_one_leg_into_the_other_is_not_said_there(decibels: int, delay_ms: int) -> None:
    """Through G.711, at every delay: what is left is what was said, on the channels on which it was."""
    clean = by_telephone(call())
    assert near(said(by_telephone(leaky(call(), decibels=decibels, delay_ms=delay_ms))), said(clean))


@pytest.mark.parametrize("delay_ms", [0, 3, 40])
@pytest.mark.parametrize("decibels", [0, -1, -3, -6, -20, 1, 2, 3, 6])
def test_what_is_on_both_channels_stays_on_the_louder_one(decibels: int, delay_ms: int) -> None:
    """Or on the lower one, where the second is no louder than by a decibel and a half."""
    audio = by_telephone(doubled(call() * np.float32(0.5), decibels=decibels, delay_ms=delay_ms))
    stays = 0 if decibels < 1.5 else 1
    expected = [utterance for utterance in segment([audio]) if utterance.channel == stays]
    assert said(audio) == sorted(expected, key=lambda part: part.start_ms)
    assert {part.channel for part in copied(audio)} == {1 - stays}


def test_a_copy_may_be_turned_upside_down() -> None:
    """As wires that were crossed turn it."""
    audio = doubled(call())
    audio[1] *= -1
    assert {part.channel for part in said(audio)} == {0}


@settings(max_examples=25, deadline=None)
@given(decibels=st.floats(-30, 30), delay_ms=st.integers(0, EARLIEST_MS), begin_ms=st.integers(0, 10_000))
def test_nothing_is_lost_on_both_channels(decibels: float, delay_ms: int, begin_ms: int) -> None:
    """However loud the second is: one of the two keeps all that was heard on it.

    Where the second comes later than is looked for in the first, the end of a vowel may be taken for a copy of its middle.
    """
    audio = by_telephone(doubled(call(begin_ms=begin_ms, seconds=8) * np.float32(0.1), decibels=decibels, delay_ms=delay_ms))
    left = said(audio)
    heard = list(segment([audio]))
    assert any(
        [part for part in left if part.channel == channel] == [part for part in heard if part.channel == channel]
        for channel in (0, 1)
    )


@settings(max_examples=40, deadline=None)
@given(
    first_ms=st.integers(0, 30_000),
    second_ms=st.integers(0, 30_000),
    decibels=st.floats(-25, 25),
    voices=st.lists(st.sampled_from([0, 1]), min_size=2, max_size=2),
)
def test_two_who_talk_at_once_are_both_heard(first_ms: int, second_ms: int, decibels: float, voices: list[int]) -> None:
    """Any speech beside any other, by one voice or two, however loud: nothing is taken for a copy."""
    if voices[0] == voices[1] and abs(first_ms - second_ms) < 6_000:
        second_ms = (first_ms + 12_000) % 30_000
    gain = np.float32(10 ** (decibels / 20))
    one, other = call(begin_ms=first_ms, seconds=5)[voices[0]], call(begin_ms=second_ms, seconds=5)[voices[1]]
    length = min(len(one), len(other))
    for apart in taken_apart(np.stack([one[:length], gain * other[:length]])):
        assert apart.copied is None
        assert len(apart.said) == 1


def test_who_answers_at_once_is_heard_without_the_question() -> None:
    """One utterance by voice activity, for nothing is silent between; half of it is the other's."""
    audio = call()
    question, answer = (next(part for part in segment([audio]) if part.channel == channel) for channel in (0, 1))
    asked, answered = question.samples, answer.samples
    both = np.zeros((2, len(asked) + len(answered)), dtype=np.float32)
    both[0, : len(asked)] = asked
    both[1, len(asked) - 3000 : len(asked) - 3000 + len(answered)] = answered
    heard = leaky(both, decibels=-12, delay_ms=30)
    (whole,) = [part for part in segment([heard]) if part.channel == 1]
    assert whole.start_ms < 700
    (left,) = [part for part in said(heard) if part.channel == 1]
    begins_ms = (len(asked) - 3000) // SAMPLES_PER_MS + answer.padding_before_ms
    assert abs(left.start_ms - begins_ms) <= 150
    assert abs(left.end_ms - whole.end_ms) <= 60


def test_a_call_without_leaks_is_as_it_was() -> None:
    """The very utterances, and nothing is told."""
    audio = call()
    channels = together()
    channels.add_audio(audio)
    for utterance in segment([audio]):
        assert channels.separate(utterance) == Separated(said=(utterance,))


@settings(max_examples=10, deadline=None)
@given(cuts=st.lists(st.integers(1, SECONDS * 16_000), max_size=20))
def test_pieces_do_not_matter(cuts: list[int]) -> None:
    """However the audio comes."""
    audio = leaky(call(), decibels=-12, delay_ms=50)
    channels = together()
    for piece in np.split(audio, sorted(set(cuts)), axis=1):
        channels.add_audio(piece)
    for utterance, apart in zip(segment([audio]), taken_apart(audio), strict=True):
        assert channels.separate(utterance) == apart


def test_what_is_not_needed_is_forgotten() -> None:
    """All but half a second before what may be asked for."""
    channels = together()
    for _ in range(100):
        channels.add_audio(np.zeros((2, 1600), dtype=np.float32))
    channels.forget(8_000)
    assert channels.held_ms <= 2_000 + LATEST_MS + 100


def test_three_channels_hear_each_other() -> None:
    """A recording of three tracks of one microphone is said once."""
    audio = call(seconds=10).sum(axis=0) * np.float32(0.5)
    assert {part.channel for part in said(np.stack([audio, audio, audio * np.float32(0.3)]))} == {0}
