"""Sounds of a telephone in which nobody speaks, made here: tones, fax and modems, noises, clicks, music.

Each is a function of a sample rate: ten seconds, mono float32 in [-1, 1], the same each time. Frequencies and times of tones
are those of ITU-T E.180 (supplement 2, national tones), Q.23 (keys), T.30 (fax), V.8 and V.21; music is a score for a few made
instruments, by a seed.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import partial

import numpy as np
import numpy.typing as npt
import soxr
from steno_transcriber.speech import SAMPLE_RATE

from steno.g711 import MU_LAW

Sound = npt.NDArray[np.float32]
Wave = npt.NDArray[np.float64]
Maker = Callable[[int], Sound]

SECONDS = 10.0
LEVEL = 0.1
"""The root mean square of everything that sounds throughout: -20 dBFS."""

KEYS = {
    key: (low, high)
    for low, row in zip((697, 770, 852, 941), ("123A", "456B", "789C", "*0#D"), strict=True)
    for high, key in zip((1209, 1336, 1477, 1633), row, strict=True)
}
"""The two frequencies of each key (Q.23)."""

Part = tuple[Sequence[float], float]
"""Frequencies that sound together, and for how long; none is a pause."""


def _time(seconds: float, rate: int) -> Wave:
    return np.arange(int(seconds * rate)) / rate


def _finished(wave: Wave, level: float = LEVEL) -> Sound:
    loud = wave[np.abs(wave) > 0]
    scaled = wave * (level / max(float(np.sqrt(np.mean(np.square(loud)))) if len(loud) else 0.0, 1e-9))
    return scaled.clip(-1, 1).astype(np.float32)


def _ramped(wave: Wave, rate: int, milliseconds: float = 3) -> Wave:
    """With edges that are no clicks."""
    length = min(len(wave) // 2, int(rate * milliseconds / 1000))
    if length:
        edge = 0.5 - 0.5 * np.cos(np.pi * np.arange(length) / length)
        wave[:length] *= edge
        wave[-length:] *= edge[::-1]
    return wave


def cadence(parts: Iterable[Part], rate: int, *, seconds: float = SECONDS, level: float = LEVEL) -> Sound:
    """Tones and pauses, again and again."""
    once = []
    for frequencies, length in parts:
        time = _time(length, rate)
        wave = np.zeros(len(time))
        for frequency in frequencies:
            wave += np.sin(2 * np.pi * frequency * time)
        once.append(_ramped(wave, rate))
    wave = np.concatenate(once)
    return _finished(np.tile(wave, int(seconds * rate) // len(wave) + 1)[: int(seconds * rate)], level)


def keys(pressed: str, rate: int, *, tone_ms: int = 100, pause_ms: int = 100) -> Sound:
    """Somebody dials, or types a card's number (Q.23)."""
    parts: list[Part] = []
    for key in pressed:
        parts += [(KEYS[key], tone_ms / 1000), ((), pause_ms / 1000)]
    return cadence(parts, rate, level=0.14)


def chirped(frequencies: Sequence[float], bauds: float, rate: int, *, seed: int = 1) -> Sound:
    """Bits as frequencies, phase going on (V.21: 1650 and 1850 Hz at 300 baud; a text telephone: 1400 and 1800 at 45)."""
    dice = np.random.default_rng(seed)
    symbols = dice.integers(len(frequencies), size=int(SECONDS * bauds) + 1)
    frequency = np.asarray(frequencies)[symbols][(_time(SECONDS, rate) * bauds).astype(int)]
    return _finished(np.sin(2 * np.pi * np.cumsum(frequency) / rate))


def modem(rate: int, *, seed: int = 2) -> Sound:
    """Data of a fax page: four phases, 2400 symbols a second, around 1800 Hz (V.27)."""
    dice = np.random.default_rng(seed)
    time = _time(SECONDS, rate)
    phases = dice.integers(4, size=int(SECONDS * 2400) + 1)[(time * 2400).astype(int)] * np.pi / 2
    return _finished(np.sin(2 * np.pi * 1800 * time + phases))


def answer_tone(rate: int) -> Sound:
    """2100 Hz, its phase turned each 450 ms, swelling 15 times a second (V.8, ANSam)."""
    time = _time(SECONDS, rate)
    turned = np.where((time / 0.45).astype(int) % 2, -1.0, 1.0)
    return _finished(turned * (1 + 0.2 * np.sin(2 * np.pi * 15 * time)) * np.sin(2 * np.pi * 2100 * time))


def noise(slope: float, rate: int, *, seed: int = 3, level: float = LEVEL) -> Sound:
    """White (0), pink (-1) or brown (-2): power goes with this power of the frequency."""
    length = int(SECONDS * rate)
    spectrum = np.fft.rfft(np.random.default_rng(seed).standard_normal(length))
    frequencies = np.maximum(np.fft.rfftfreq(length, 1 / rate), 20.0)
    return _finished(np.fft.irfft(spectrum * frequencies ** (slope / 2), length), level)


def swelling_noise(rate: int, *, seed: int = 4) -> Sound:
    """Wind on a microphone: brown noise that comes and goes."""
    swell = 0.5 + 0.5 * np.sin(2 * np.pi * 0.4 * _time(SECONDS, rate)) * np.sin(2 * np.pi * 0.27 * _time(SECONDS, rate))
    return _finished(noise(-1.5, rate, seed=seed) * swell)


def hum(mains: float, rate: int) -> Sound:
    """Mains and its harmonics, the odd ones louder, on a quiet line."""
    time = _time(SECONDS, rate)
    wave = sum(np.sin(2 * np.pi * mains * k * time + k) / k ** (0.7 if k % 2 else 1.2) for k in range(1, int(3400 / mains)))
    return _finished(wave + np.random.default_rng(5).normal(0, 0.02, len(time)))


def clicks(rate: int, *, each_second: float, decay_ms: float, seed: int) -> Sound:
    """A keyboard: bursts of noise at odd moments, two to a key; or crackle, where they are short."""
    dice = np.random.default_rng(seed)
    wave = dice.normal(0, 0.002, int(SECONDS * rate))
    length = int(rate * decay_ms * 5 / 1000)
    at = 0.0
    while (at := at + dice.exponential(1 / each_second)) < SECONDS - 0.2:
        for later, loud in ((0.0, 1.0), (dice.uniform(0.05, 0.1), 0.5)):
            begin = int((at + later) * rate)
            burst = dice.normal(0, 1, length) * np.exp(-np.arange(length) / (rate * decay_ms / 1000))
            wave[begin : begin + length] += loud * dice.uniform(0.3, 1.0) * burst[: len(wave) - begin]
    return _finished(wave, 0.06)


SCALE = (0, 2, 4, 5, 7, 9, 11)
_PROGRESSIONS = ((0, 4, 5, 3), (0, 5, 3, 4), (5, 3, 0, 4), (1, 4, 0, 0))


def _pitch(degree: int, key: float) -> float:
    octave, step = divmod(degree, len(SCALE))
    return float(key * 2 ** ((SCALE[step] + 12 * octave) / 12))


def _note(frequency: float, seconds: float, rate: int, *, bright: float, decay: float, vibrato: float) -> Wave:
    """Harmonics that fade, the higher ones sooner: plucked where `decay` is short, bowed or blown where it is long."""
    time = _time(seconds, rate)
    wave = np.zeros(len(time))
    wobble = vibrato * np.sin(2 * np.pi * 5.5 * time) / 5.5
    for harmonic in range(1, 9):
        if frequency * harmonic < rate * 0.45:
            fade = np.exp(-time * harmonic / decay) * bright ** (harmonic - 1)
            wave += fade * np.sin(2 * np.pi * frequency * harmonic * (time + wobble))
    return _ramped(wave, rate, 15)


def _drums(wave: Wave, beat: float, rate: int, dice: np.random.Generator, loud: float) -> None:
    for index, at in enumerate(np.arange(0, SECONDS - 0.4, beat / 2)):
        time = _time(0.2, rate)
        if index % 4 == 0:
            struck = np.sin(2 * np.pi * 60 * time * (1 + np.exp(-time * 40))) * np.exp(-time * 18)
        elif index % 4 == 2:
            struck = dice.normal(0, 0.5, len(time)) * np.exp(-time * 25)
        else:
            struck = dice.normal(0, 0.2, len(time)) * np.exp(-time * 80)
        begin = int(at * rate)
        wave[begin : begin + len(time)] += loud * struck


def music(
    rate: int,
    *,
    seed: int,
    chords: float = 1.0,
    melody: float = 1.0,
    drums: float = 0.0,
    decay: float = 1.5,
    bright: float = 0.5,
    vibrato: float = 0.0,
) -> Sound:
    """A progression of chords, a melody over it, and drums, each as loud as said."""
    dice = np.random.default_rng(seed)
    key, beat = 196.0 * 2 ** (dice.integers(12) / 12), dice.uniform(0.4, 0.7)
    play = partial(_note, rate=rate, bright=bright, decay=decay, vibrato=vibrato)
    wave = np.zeros(int((SECONDS + 4) * rate))
    progression = _PROGRESSIONS[seed % len(_PROGRESSIONS)]
    for bar in range(int(SECONDS / (4 * beat)) + 1):
        root, begin = progression[bar % len(progression)], int(bar * 4 * beat * rate)
        for degree in (root - 7, root, root + 2, root + 4):
            sounding = chords * 0.5 * play(_pitch(degree, key), 4 * beat)
            wave[begin : begin + len(sounding)] += sounding[: len(wave) - begin]
        for quarter in range(4):
            length = beat * dice.choice([0.5, 1.0, 1.0])
            sounding = melody * play(_pitch(root + int(dice.choice([7, 9, 11, 8, 12])), key), float(length))
            at = begin + int(quarter * beat * rate)
            wave[at : at + len(sounding)] += sounding[: max(0, len(wave) - at)]
    wave = wave[: int(SECONDS * rate)]
    _drums(wave, beat, rate, dice, drums * 2)
    return _finished(wave)


def mu_law(sound: Sound) -> Sound:
    """What a telephone line leaves of it: each sample as the nearest that G.711 µ-law has."""
    levels = np.unique(MU_LAW) / 32768
    return levels[np.searchsorted((levels[1:] + levels[:-1]) / 2, sound)].astype(np.float32)


def noisy(made: Maker, rate: int) -> Sound:
    """On a line whose noise is 20 dB below it."""
    return made(rate) * np.float32(0.5) + noise(0, rate, level=LEVEL / 20)


def as_heard(made: Maker, rate: int) -> Sound:
    """At 16 kHz, as the engines get it; of 8 kHz what came by telephone."""
    if rate == SAMPLE_RATE:
        return made(rate)
    resampled: Sound = soxr.resample(mu_law(made(rate)), rate, SAMPLE_RATE)
    return resampled


TONES: dict[str, Maker] = {
    "beep of 1000 Hz": lambda rate: cadence([((1000,), 0.5), ((), 0.5)], rate),
    "one long beep": lambda rate: cadence([((1000,), SECONDS)], rate),
    "record beep of 1400 Hz": lambda rate: cadence([((1400,), 0.5), ((), 4.5)], rate),
    "dial tone, North America": lambda rate: cadence([((350, 440), SECONDS)], rate),
    "dial tone, Europe": lambda rate: cadence([((425,), SECONDS)], rate),
    "ringing, North America": lambda rate: cadence([((440, 480), 2), ((), 4)], rate),
    "ringing, Europe": lambda rate: cadence([((425,), 1), ((), 4)], rate),
    "ringing, United Kingdom": lambda rate: cadence([((400, 450), 0.4), ((), 0.2), ((400, 450), 0.4), ((), 2)], rate),
    "busy, North America": lambda rate: cadence([((480, 620), 0.5), ((), 0.5)], rate),
    "busy, Europe": lambda rate: cadence([((425,), 0.5), ((), 0.5)], rate),
    "congestion": lambda rate: cadence([((480, 620), 0.25), ((), 0.25)], rate),
    "off the hook": lambda rate: cadence([((1400, 2060, 2450, 2600), 0.1), ((), 0.1)], rate),
    "special information": lambda rate: cadence([((950,), 0.33), ((1400,), 0.33), ((1800,), 0.33), ((), 1)], rate),
    "call waiting": lambda rate: cadence([((440,), 0.3), ((), 2)], rate),
    "keys": lambda rate: keys("0123456789*#ABCD", rate),
    "keys, fast": lambda rate: keys("4532756200198831", rate, tone_ms=50, pause_ms=50),
    "keys, slow": lambda rate: keys("1594", rate, tone_ms=400, pause_ms=600),
    "fax, calling": lambda rate: cadence([((1100,), 0.5), ((), 3)], rate),
    "fax, answering": lambda rate: cadence([((2100,), 3), ((), 0.5)], rate),
    "modem, answering": answer_tone,
    "fax, its preamble": lambda rate: chirped((1650, 1850), 300, rate),
    "fax, a page": modem,
    "text telephone": lambda rate: chirped((1400, 1800), 45.45, rate),
}

NOISES: dict[str, Maker] = {
    "silence": lambda rate: np.zeros(int(SECONDS * rate), dtype=np.float32),
    "white noise": lambda rate: noise(0, rate),
    "white noise, quiet": lambda rate: noise(0, rate, level=0.003),
    "pink noise": lambda rate: noise(-1, rate),
    "pink noise, loud": lambda rate: noise(-1, rate, level=0.3),
    "brown noise": lambda rate: noise(-2, rate),
    "wind": swelling_noise,
    "mains hum of 50 Hz": lambda rate: hum(50, rate),
    "mains hum of 60 Hz": lambda rate: hum(60, rate),
    "keyboard": lambda rate: clicks(rate, each_second=4, decay_ms=8, seed=6),
    "keyboard, fast": lambda rate: clicks(rate, each_second=9, decay_ms=5, seed=7),
    "crackle": lambda rate: clicks(rate, each_second=25, decay_ms=0.3, seed=8),
    "knocking": lambda rate: clicks(rate, each_second=2, decay_ms=40, seed=9),
}

MUSIC: dict[str, Maker] = {
    **{f"chords {seed}": partial(music, seed=seed, melody=0.0, decay=6.0) for seed in range(3)},
    **{f"piano {seed}": partial(music, seed=seed, decay=0.8) for seed in range(3)},
    **{f"organ {seed}": partial(music, seed=seed, decay=50.0, bright=0.7) for seed in range(3)},
    **{f"strings {seed}": partial(music, seed=seed, decay=20.0, bright=0.6, vibrato=0.004) for seed in range(2)},
    **{f"flute {seed}": partial(music, seed=seed, chords=0.0, decay=20.0, bright=0.3, vibrato=0.006) for seed in range(2)},
    **{f"band {seed}": partial(music, seed=seed, drums=0.5, decay=1.0) for seed in range(3)},
    **{f"drums {seed}": partial(music, seed=seed, chords=0.0, melody=0.0, drums=1.0) for seed in range(2)},
}

NOISY: dict[str, Maker] = {
    f"{name}, noisy line": partial(noisy, maker)
    for name, maker in {**TONES, **MUSIC}.items()
    if name in {"beep of 1000 Hz", "keys, slow", "ringing, North America", "busy, Europe", "fax, calling", "piano 1", "band 0"}
}

NON_SPEECH: dict[str, Maker] = {**TONES, **NOISES, **MUSIC, **NOISY}
