"""A publisher chooses the silence that ends an utterance, for recordings and live calls."""

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from pydantic import ValidationError
from steno_transcriber.audio.decode import open_audio
from steno_transcriber.segmenter import FRAME_MS, SegmenterOptions
from steno_transcriber.speech import Utterance
from steno_transcriber.utterances import utterances
from support.live_calls import CallWriter
from support.live_listener import undisturbed
from support.shared_calls import SHARED_CALLS
from support.speech import call_audio

from steno.events.recognition import RecognitionDetails, RecognitionOptions

PUBLIC = [SHARED_CALLS / "hvb" / "0002f70f7386445b.wav", SHARED_CALLS / "google" / "commercial_mono.wav"]


def asked(silence_ms: int) -> RecognitionDetails:
    return RecognitionDetails(segmentation_silence_ms=silence_ms)


def cut(audio: npt.NDArray[Any], silence_ms: int) -> list[Utterance]:
    options = SegmenterOptions.of(RecognitionOptions(segmentation_silence_ms=silence_ms))
    return list(utterances([audio], report=lambda _: None, options=options))


@pytest.mark.parametrize("path", PUBLIC, ids=lambda path: path.stem)
def test_the_shorter_the_silence_the_more_utterances(path: Path) -> None:
    """Of people who speak; the default is 300 ms, and says the same as that."""
    if not path.exists():
        pytest.skip("the public recordings are not there")
    with open_audio(path) as recording:
        audio = np.concatenate(list(recording.blocks()), axis=1)
    short, default, long = (len(cut(audio, silence_ms)) for silence_ms in (200, 0, 1500))
    assert short > default > long > 0
    assert cut(audio, 300) == cut(audio, 0)


@pytest.mark.parametrize("silence_ms", [200, 1500])
def test_between_utterances_there_is_the_silence_that_was_asked_for(silence_ms: int) -> None:
    """At least, unless one was so long that it was cut."""
    found = cut(call_audio()[:1], silence_ms)
    assert len(found) > 2
    for before, after in itertools.pairwise(found):
        assert after.start_ms - before.end_ms >= silence_ms - FRAME_MS or before.duration_ms > 7_000


@pytest.mark.parametrize("silence_ms", [200, 1500])
def test_a_live_call_is_cut_at_it_as_its_recording_is(silence_ms: int) -> None:
    """It comes with the start of the call, and both come to the same utterances."""
    call = CallWriter(sample_rate=16_000, recognition=asked(silence_ms))
    call.start()
    call.say(call_audio())
    call.end()
    pcm = (np.clip(call_audio(), -1, 1) * 32767).astype("<i2") / np.float32(32768)
    batch = sorted((found.channel, found.start_ms, found.duration_ms) for found in cut(pcm, silence_ms))
    assert sorted(found[:3] for found in undisturbed(call.log)) == batch


def test_a_silence_within_an_utterance_is_no_place_to_cut_one_that_is_long_enough() -> None:
    """Where an utterance becomes too long in a pause, it ends with its last word, and the next begins with its first."""
    heard = call_audio()[:1, 16_000:32_000]
    audio = np.concatenate([heard, np.zeros((1, 16 * 4_000), dtype=np.float32)] * 4, axis=1)
    found = cut(audio, 5_000)
    assert len(found) >= 2
    assert all(utterance.duration_ms <= 14_400 for utterance in found)
    # The voice detector takes a frame or two at either side for voice.
    assert all((utterance.start_ms + 2 * FRAME_MS) % 5_000 < 500 for utterance in found)
    assert all(500 < utterance.end_ms % 5_000 <= 1_000 + 2 * FRAME_MS for utterance in found)


@pytest.mark.parametrize("silence_ms", [-1, 1, 99, 5_001])
def test_a_silence_that_cannot_be_kept_is_refused(silence_ms: int) -> None:
    """Below a tenth of a second lie the pauses within words."""
    with pytest.raises(ValidationError):
        asked(silence_ms)
