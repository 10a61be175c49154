"""Measures how similar the sound of one channel is to that of another. Pure."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from steno_transcriber.segmenter import FRAME_MS

LATEST_MS = 500
"""How much later than its original a copy may come."""

EARLIEST_MS = 200
"""How much earlier: as far as the audio goes that an utterance carries behind its speech."""

RATE = 4000
"""Samples per second at which channels are compared: sounds are told apart by what lies below 2 kHz."""

FRAME = FRAME_MS * RATE // 1000
LATEST = LATEST_MS * RATE // 1000
EARLIEST = EARLIEST_MS * RATE // 1000

AROUND_FRAMES = 3
"""Frames on either side that are looked at with one."""

COPIED_FRAMES = 8
"""How long two channels must be alike, at least."""

FAINTER = 10 ** (-30 / 10)
"""Power under that of an utterance's loudest frame from which nothing is heard in it."""

SILENCE = FRAME * 10 ** (-90 / 10)
"""Energy of a frame in which there is nothing."""

_PRE_EMPHASIS = np.float32(0.9)

Values = npt.NDArray[np.float32]
Energies = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Similarity:
    """For each frame of a stretch, its similarity to another channel (0 to 1), and its power relative to it."""

    correlation: Energies
    ratio: Energies


def compare(own: Values, other: Values, *, most_ratio: float) -> Similarity | None:
    """Compare a stretch with another channel, at the delay at which they are most similar.

    Args:
        own: The stretch, at `RATE`.
        other: The samples of the other channel, from `LATEST` before the stretch to its end.
        most_ratio: The maximum power of a copy relative to its original.

    Returns:
        None where the other channel is not loud enough for a copy. That is cheap to find, and the usual case: people take
        turns.
    """
    frames = len(own) // FRAME
    own, other = _flattened(own[: frames * FRAME]), _flattened(other[: LATEST + frames * FRAME])
    power, other_power = energies(own * own), energies(other * other)
    if not frames or (suspect := _suspect(power, other_power, most_ratio)) is None:
        return None
    # Only what lies between the first and the last of them is looked at: often a short rim of what was said aloud.
    first, last = np.flatnonzero(suspect)[[0, -1]].tolist()
    part = slice(max(0, first - AROUND_FRAMES), last + 1 + AROUND_FRAMES)
    own, power, suspect = own[part.start * FRAME : part.stop * FRAME], power[part], suspect[part]
    other = other[part.start * FRAME : LATEST + part.stop * FRAME + EARLIEST]
    aligned = _aligned(other, len(own), delay=_delay(own, power, other, suspect))
    product, energy, other_energy = (_around(energies(values)) for values in (own * aligned, own * own, aligned * aligned))
    found = Similarity(correlation=np.zeros(frames), ratio=np.full(frames, np.inf))
    found.correlation[part] = np.abs(product) / np.sqrt(energy * other_energy + SILENCE**2)
    found.ratio[part] = energy / (other_energy + SILENCE)
    return found


def _suspect(power: Energies, other_power: Energies, most_ratio: float) -> Flags | None:
    """The frames that can be a copy by their power: the other channel is louder near them."""
    reach = LATEST // FRAME + 1 + EARLIEST // FRAME + 1
    padded = np.concatenate([other_power, np.zeros(reach)])
    loudest = np.lib.stride_tricks.sliding_window_view(padded, reach)[: len(power)].max(axis=1)
    # The windows of both do not lie alike: a factor of two.
    suspect: Flags = (power > max(SILENCE, FAINTER * power.max())) & (power <= 2 * most_ratio * loudest)
    return suspect if np.count_nonzero(suspect) >= COPIED_FRAMES else None


def _delay(own: Values, power: Energies, other: Values, suspect: Flags) -> int:
    """The most likely delay of the suspect frames against the other channel, in samples.

    All frames count equally, however loud, so that loud speech beside a copy does not hide it.
    """
    weights = np.where(suspect, 1 / np.sqrt(power + SILENCE), 0.0).astype(np.float32)
    other_weights = (1 / np.sqrt(energies(other * other) + SILENCE)).astype(np.float32)
    length = -(-(len(own) + len(other)) // 1024) * 1024
    spectrum = np.fft.rfft(own * np.repeat(weights, FRAME), length)
    counted = len(other_weights) * FRAME
    spectrum *= np.conj(np.fft.rfft(other[:counted] * np.repeat(other_weights, FRAME), length))
    # At place `delay - LATEST` of the correlation, from the end where that is negative.
    found = np.abs(np.fft.irfft(spectrum, length)[np.arange(-LATEST - EARLIEST, 1)])
    return int(np.argmax(found)) - EARLIEST


def _aligned(other: Values, length: int, *, delay: int) -> Values:
    """The other channel, delayed by a number of samples; silence where it is not known."""
    aligned = np.zeros(length, dtype=np.float32)
    begin = LATEST - delay
    known = other[begin : begin + length]
    aligned[: len(known)] = known
    return aligned


def _flattened(values: Values) -> Values:
    """The samples with low frequencies, in which all voices are similar, reduced."""
    flat = values.copy()
    flat[1:] -= _PRE_EMPHASIS * values[:-1]
    return flat


def energies(values: Values) -> Energies:
    """The energy of each whole frame."""
    whole = len(values) // FRAME
    sums: Energies = values[: whole * FRAME].reshape(whole, FRAME).sum(axis=1, dtype=np.float64)
    return sums


def _around(energies: Energies) -> Energies:
    return np.convolve(energies, np.ones(2 * AROUND_FRAMES + 1))[AROUND_FRAMES : AROUND_FRAMES + len(energies)]
