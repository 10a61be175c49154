"""What is promised of calls that last: no final late, nothing held back, whatever is heard for however long."""

from collections.abc import Callable

import numpy as np
import pytest
from steno_transcriber.live.call import LiveCall, first_checkpoint
from support.effort import EFFORT
from support.live_calls import BEGAN, CallWriter, Heard
from support.speech import call_audio

from steno.events.records import AudioChunk, CallStarted

MOST_HELD_BACK_MS = 90_000
MOST_WITHOUT_FINAL_MS = 15_000

RATE = 8000


def noise(milliseconds: int, loud: float) -> Heard:
    samples = np.random.default_rng(4).normal(0, loud, (1, milliseconds * 16))
    return samples.astype(np.float32)


def music(milliseconds: int) -> Heard:
    """Chords that swell and change each half second, over a beat."""
    time = np.arange(milliseconds * 16) / 16_000
    dice = np.random.default_rng(7)
    chords = dice.choice([220.0, 261.6, 293.7, 329.6, 392.0, 440.0, 523.3], size=(milliseconds // 500 + 1, 3))
    step = (time * 2).astype(int)
    sound = sum(
        np.sin(2 * np.pi * chords[step, voice] * harmonic * time) / harmonic for voice in range(3) for harmonic in (1, 2, 3)
    )
    beat = np.exp(-((time * 2) % 1) * 8) * dice.normal(0, 1, len(time))
    samples: Heard = ((sound * (0.6 + 0.4 * np.sin(2 * np.pi * 0.3 * time)) + beat) * 0.05).astype(np.float32)[np.newaxis]
    return samples


def without_a_pause(milliseconds: int) -> Heard:
    """The loud half of a call's frames, end to end: somebody who never takes breath."""
    frames = call_audio()[0, : call_audio().shape[1] // 480 * 480].reshape(-1, 480)
    energy = np.square(frames).mean(axis=1)
    loud = frames[energy > np.quantile(energy, 0.7)].reshape(1, -1)
    return np.tile(loud, milliseconds * 16 // loud.shape[1] + 1)[:, : milliseconds * 16]


def turns(milliseconds: int) -> Heard:
    return np.tile(call_audio()[:1], milliseconds * 16 // call_audio().shape[1] + 1)[:, : milliseconds * 16]


SOUNDS: dict[str, Callable[[int], Heard]] = {
    "a call": turns,
    "talk without a pause": without_a_pause,
    "music": music,
    "digital silence": lambda length: np.zeros((1, length * 16), dtype=np.float32),
    "a quiet line": lambda length: noise(length, 0.001),
    "a loud line": lambda length: noise(length, 0.1),
    "crackle": lambda length: noise(length, 0.1) * (np.random.default_rng(1).random((1, length * 16)) > 0.999),
}


@pytest.mark.effort
@pytest.mark.parametrize("sound", SOUNDS)
def test_a_call_of_hours_holds_nothing_back(sound: str) -> None:
    """What must be read again is never older than 90 s, and while there is speech a final comes each 15 s at least."""
    two_minutes = SOUNDS[sound](120_000)
    writer = CallWriter(channels=CallWriter().channels[:1], sample_rate=RATE)
    writer.start()
    for _ in range(3 * EFFORT):
        writer.say(two_minutes)
    started = writer.log[0]
    assert isinstance(started.record, CallStarted)
    call = LiveCall(first_checkpoint(started.record, started.offset))
    written_at = {entry.offset: entry.written_at for entry in writer.log}
    worst = 0
    for entry in writer.log:
        for found in call.add_record(entry.record, offset=entry.offset, written_at=entry.written_at):
            call.note_published(found.utterance, step_states={})
        if (spoken := call.channels[0].open_span) is not None:
            assert spoken.duration_ms <= MOST_WITHOUT_FINAL_MS
        if isinstance(entry.record, AudioChunk) and entry.record.sequence % 10 == 0:
            needed = call.checkpoint(log_end=entry.offset + 1, saved_at=BEGAN).offset
            held_ms = int((entry.written_at - written_at.get(needed, entry.written_at)).total_seconds() * 1000)
            worst = max(worst, held_ms)
    assert worst <= MOST_HELD_BACK_MS
