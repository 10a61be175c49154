"""Classifies an utterance as a tone, as music, or as neither. Pure: a function of its samples alone.

Voice activity lets through whatever sounds like a voice for a moment: ringing, beeps, hold music. What tells them from speech
is that their partials stay where they are: a note, or the tone of an exchange, keeps its frequency for a third of a second and
longer, where those of a voice glide all the time (Seyerlehner et al., "Automatic Music Detection in Television Productions",
DAFx 2007, look for the same horizontal lines). Measured in short overlapping looks at the spectrum:

| measure | a tone | music | speech |
|---|---|---|---|
| lines: the share of what rises over noise that lies in peaks which keep their frequency | most | half and more | a tenth |
| pure: the share of the energy that lies in the two strongest peaks | nearly all | | two thirds, where it is least |
| swell: how far what lies outside the lines rises over its usual level | | little | much: a word is such a swell |

An utterance is surely a tone or music only if it is that throughout: a beep with a word behind it, and somebody who speaks over
music, may be speech. What only resembles a tone or music may be speech, too, as long as an engine finds words in it.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from steno.events.observations import ObservationKind
from steno_transcriber.speech import SAMPLE_RATE, Samples

WINDOW = 1024
"""Samples of one look, of every second one: 128 ms, so long that the partials of a voice do not stand still in it. What lies
above 4 kHz is mirrored below; a line stays one."""

HOP = WINDOW // 2

_LINE_LOOKS = 4
"""How many looks on end a peak must last to be a line: 320 ms of sound."""

_PURE_LOOKS = 3
_SWELL_LOOKS = 4
_STRETCH_LOOKS = 10

_BINS = slice(8, 450)
"""What is looked at: 60 to 3500 Hz."""

_LINES_FROM = 22
"""The first of these bins in which there may be lines: 230 Hz. Below, a voice that keeps its pitch stands still, too."""

_BESIDE = 2
"""Bins on either side of a peak that belong to it: the main lobe of the window."""

_HANN = np.hanning(WINDOW).astype(np.float32)

AUDIBLE = 1e-5 * float(np.square(_HANN).sum()) * WINDOW / 2
"""The power of a look that counts: -50 dBFS, below which voice activity hears nothing."""

_NOISE, _EACH = 3.0, 4
"""So many times the median of a look (of every so many bins of it) is taken for noise, of which one bin in five hundred exceeds
that."""

_LOUD = 0.05
"""Of the power of the loudest look: in looks with less, it is not asked how pure they are."""

_LEAST_USUAL = 0.2
"""What lies outside the lines usually, as a share of the whole sound, at least: of clean music it is next to nothing, and each
note that begins would be a swell."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measures:
    """The measures of an utterance. Shares are from 0 to 1."""

    #: Throughout, and where it is least over some half a second.
    lines: float
    least_lines: float
    #: In half of it, and where it is least.
    usually_pure: float
    least_pure: float
    #: dB.
    swell: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Sound:
    """The class of an utterance; `surely` where nobody speaks in it, whatever an engine would recognise."""

    kind: ObservationKind
    surely: bool


LEAST_IN_MUSIC = 0.25
"""With a smaller share of the sound in lines over some half a second, an utterance is not surely a tone or music."""

RULED_OUT = 0.2
"""The same, told from the beginning of an utterance, with a margin for how numbers are rounded."""

BEGINNING = 1_500 * SAMPLE_RATE // 1000
"""So many samples of an utterance tell nearly always that somebody speaks."""

STILL_DB = -6.5
"""A swell so small is none: nothing changes but for noise."""

LEAST_LINES = 0.35
"""With a smaller share of the sound in lines, an utterance is like speech, of which none of half a second has so much."""

MUSIC_MS = 3_000
"""Shorter music is not told from somebody who holds a vowel."""


def classify(samples: Samples) -> Sound | None:
    """Classify an utterance as a tone or music; None where it is speech or anything else.

    Args:
        samples: of the utterance, with its padding, as the engines get them.
    """
    measured = measure(samples)
    if measured is None:
        return None
    # A hum has many partials, and does not change at all.
    if measured.usually_pure >= 0.88 or measured.swell <= STILL_DB:
        return Sound(kind=ObservationKind.TONE, surely=_surely_a_tone(measured))
    if len(samples) < MUSIC_MS * SAMPLE_RATE // 1000:
        return None
    return Sound(kind=ObservationKind.MUSIC, surely=_surely_music(measured))


def classify_surely(samples: Samples) -> Sound | None:
    """Classify an utterance that is surely a tone or music; None where it is anything else. Cheap where somebody speaks."""
    if is_ruled_out(samples[:BEGINNING]):
        return None
    sound = classify(samples)
    return sound if sound is not None and sound.surely else None


def is_ruled_out(samples: Samples) -> bool:
    """Whether an utterance that begins so is not surely a tone or music, whatever follows."""
    looks = _look(samples)
    if looks is None or len(looks.whole) < _STRETCH_LOOKS + _LINE_LOOKS - 1:
        return False
    # What follows may make lines of the peaks in the last ones.
    known = slice(len(looks.whole) - _LINE_LOOKS + 1)
    shares = _shares(looks.in_lines[known], looks.whole[known], looks.audible[known], _STRETCH_LOOKS)
    return bool((shares < RULED_OUT).any())


def _surely_a_tone(measured: Measures) -> bool:
    if measured.lines < 0.55 or measured.least_lines < 0.45:
        return False
    return measured.swell <= STILL_DB or (measured.swell <= 4.5 and measured.least_pure >= 0.5)


def _surely_music(measured: Measures) -> bool:
    return measured.lines >= 0.45 and measured.least_lines >= LEAST_IN_MUSIC and measured.swell <= 8.0


Row = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Looks:
    """Short overlapping looks at the spectrum of a sound; a row or a number for each."""

    power: npt.NDArray[np.float32]
    energy: Row
    #: Of what rises over noise: amplitudes, in all and in lines.
    whole: Row
    in_lines: Row
    audible: npt.NDArray[np.bool_]


def measure(samples: Samples) -> Measures | None:
    """Measure an utterance; None where it has almost no lines, no audible sound, or samples that are not numbers."""
    looks = _look(samples)
    if looks is None or not looks.audible.any() or not np.isfinite(looks.energy).all():
        return None
    energy, whole, in_lines, audible = looks.energy, looks.whole, looks.in_lines, looks.audible
    lines = float(_shares(in_lines, whole, audible, 1).mean())
    if lines < LEAST_LINES:
        # Nearly all speech: what follows would cost as much again.
        return None
    # Where a tone sets in, a look has little of it, and no line.
    loud = energy > _LOUD * energy.max()
    pure = _shares(_in_two_peaks(looks.power), energy, loud, _PURE_LOOKS)
    outside = _means(whole - in_lines, _SWELL_LOOKS)
    usual = max(float(np.median(outside)), _LEAST_USUAL * float(whole[audible].mean()))
    return Measures(
        lines=lines,
        least_lines=float(_shares(in_lines, whole, audible, _STRETCH_LOOKS).min()),
        usually_pure=float(np.median(pure)),
        least_pure=float(pure.min()),
        swell=20 * float(np.log10(max(float(outside.max()), 1e-9) / usual)),
    )


def _look(samples: Samples) -> _Looks | None:
    """Look at a sound; None where it is too short for lines."""
    sound = np.ascontiguousarray(samples[::2], dtype=np.float32)
    if len(sound) < WINDOW + (_LINE_LOOKS - 1) * HOP:
        return None
    looks = np.lib.stride_tricks.sliding_window_view(sound, WINDOW)[::HOP] * _HANN
    spectrum = np.fft.rfft(looks, axis=1)[:, _BINS]
    power = np.square(spectrum.real) + np.square(spectrum.imag)
    energy = power.sum(axis=1, dtype=np.float64)
    amplitude = np.sqrt(power[:, _LINES_FROM:])
    # What a noisy line adds to each bin; a look at nothing else is not audible.
    amplitude -= _NOISE * np.median(amplitude[:, ::_EACH], axis=1, keepdims=True)
    np.maximum(amplitude, 0, out=amplitude)
    audible = np.square(amplitude).sum(axis=1, dtype=np.float64) > AUDIBLE
    whole = amplitude.sum(axis=1, dtype=np.float64) + 1e-9
    amplitude *= _lines(power[:, _LINES_FROM:])
    in_lines = amplitude.sum(axis=1, dtype=np.float64)
    return _Looks(power=power, energy=energy, whole=whole, in_lines=in_lines, audible=audible)


def _lines(power: npt.NDArray[np.float32]) -> npt.NDArray[np.bool_]:
    """The bins that belong to lines: peaks that last, and their neighbours."""
    rising = power[:, 1:] > power[:, :-1]
    peaks = np.zeros(power.shape, dtype=bool)
    peaks[:, 1:-1] = rising[:, :-1] & ~rising[:, 1:]
    last = len(power) - _LINE_LOOKS + 1
    lasting = peaks[:last].copy()
    for later in range(1, _LINE_LOOKS):
        lasting &= peaks[later : last + later]
    lines = np.zeros(power.shape, dtype=bool)
    for later in range(_LINE_LOOKS):
        lines[later : last + later] |= lasting
    wide = lines.copy()
    for beside in range(1, _BESIDE + 1):
        wide[:, beside:] |= lines[:, :-beside]
        wide[:, :-beside] |= lines[:, beside:]
    return wide


def _in_two_peaks(power: npt.NDArray[np.float32]) -> Row:
    """The energy in the two strongest peaks of each spectrum."""
    rest = power.copy()
    looks = np.arange(len(power))[:, np.newaxis]
    around = np.arange(-_BESIDE, _BESIDE + 1)
    found = np.zeros(len(power))
    for _ in range(2):
        peak = np.clip(rest.argmax(axis=1), _BESIDE, power.shape[1] - 1 - _BESIDE)[:, np.newaxis] + around
        found += rest[looks, peak].sum(axis=1)
        rest[looks, peak] = 0
    return found


def _shares(part: Row, whole: Row, audible: npt.NDArray[np.bool_], looks: int) -> Row:
    """The shares of a part in the whole over runs of spectra, wherever one of them is `audible`."""
    heard = _means(audible, looks) > 0
    shares: Row = _means(part, looks)[heard] / _means(whole, looks)[heard]
    return shares


def _means(row: npt.NDArray[Any], looks: int) -> Row:
    """The moving average of a row over a number of spectra; of all, where there are fewer."""
    looks = min(looks, len(row))
    sums = np.concatenate([np.zeros(1), np.cumsum(row)])
    means: Row = (sums[looks:] - sums[:-looks]) / looks
    return means
