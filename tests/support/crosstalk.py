"""Adds crosstalk between channels to calls."""

import numpy as np
from steno_transcriber.speech import SAMPLES_PER_MS
from support.live_calls import Heard, coded

from steno.events.records import AudioCodec
from steno.g711 import MU_LAW


def leaky(audio: Heard, *, decibels: float, delay_ms: int = 0) -> Heard:
    """Adds each of two channels to the other, with a gain (negative: weaker) and a delay."""
    delay, gain = delay_ms * SAMPLES_PER_MS, np.float32(10 ** (decibels / 20))
    found = audio.copy()
    for channel in (0, 1):
        found[channel, delay:] += gain * audio[1 - channel, : audio.shape[1] - delay]
    return found


def doubled(audio: Heard, *, decibels: float = 0.0, delay_ms: int = 0) -> Heard:
    """Mixes two channels onto both, on the second with a gain and a delay."""
    mixed = audio.sum(axis=0)
    second = np.zeros_like(mixed)
    second[delay_ms * SAMPLES_PER_MS :] = mixed[: len(mixed) - delay_ms * SAMPLES_PER_MS]
    return np.stack([mixed, second * np.float32(10 ** (decibels / 20))])


def by_telephone(audio: Heard) -> Heard:
    """Encodes and decodes audio by G.711 (µ-law), at 16 kHz."""
    codes = np.frombuffer(coded(audio, AudioCodec.PCMU), dtype=np.uint8)
    return (np.array(MU_LAW)[codes].reshape(-1, len(audio)).T / 32768).astype(np.float32)
