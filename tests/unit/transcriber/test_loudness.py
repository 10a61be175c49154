"""Where there is sound, and which words lie in it."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from steno_transcriber.engines.loudness import FRAME_MS, covered, quietest_ms, sounding
from steno_transcriber.speech import SAMPLES_PER_MS, Samples


def tone(ms: int, level: float) -> Samples:
    samples: Samples = (level * np.sin(np.arange(ms * SAMPLES_PER_MS) * 0.3)).astype(np.float32)
    return samples


@given(level=st.floats(1e-3, 1.0))
def test_sound_is_told_from_silence_at_any_level(level: float) -> None:
    """What is much quieter than the loudest is silence; how loud that is does not matter."""
    found = sounding(np.concatenate([tone(200, level / 100), tone(400, level), tone(200, level / 100)]))
    assert found.tolist() == [False] * 10 + [True] * 20 + [False] * 10


def test_digital_silence_and_no_audio_hold_no_sound() -> None:
    """Nothing is loud where all is nothing."""
    assert not sounding(np.zeros(16_000, dtype=np.float32)).any()
    assert len(sounding(np.zeros(10, dtype=np.float32))) == 0


def test_words_cover_the_sound_they_lie_in() -> None:
    """With a little beside them; what lies outside counts for nothing."""
    found = covered([(0.1, 0.2), (-1.0, -0.8), (4.0, 4.1)], 20)
    assert [index * FRAME_MS for index in np.flatnonzero(found)] == list(range(40, 280, FRAME_MS))


def test_a_cut_goes_where_it_is_quietest() -> None:
    """In a pause, never within the least length of either end, and not at all in what is too short."""
    audio = np.concatenate([tone(100, 0.001), tone(1_400, 0.5), tone(200, 0.001), tone(1_500, 0.5)])
    cut = quietest_ms(audio, least_ms=1_000)
    assert cut is not None
    assert 1_500 <= cut <= 1_700
    assert quietest_ms(audio, least_ms=1_700) is None
