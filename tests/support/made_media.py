"""Recordings of tones in any container, whose packets can be left out, moved or damaged."""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt

Samples = npt.NDArray[np.int16]

Edit = Callable[[int, Any], Any]
"""Takes a packet of a track with its number, and gives it back, or nothing."""


def tones(*frequencies: int, rate: int, seconds: float) -> Samples:
    """A tone on each channel, at half of full scale, shape (channels, samples)."""
    time = np.arange(int(rate * seconds)) / rate
    return (16_000 * np.sin(2 * np.pi * np.outer(frequencies, time))).astype(np.int16)


def write(
    path: Path, codec: str, *tracks: Samples, rate: int, edit: Edit = lambda _, packet: packet, how: str | None = None
) -> Path:
    """Writes tracks side by side. `edit` is given the packets of all of them, each with its number within its track."""
    with av.open(str(path), "w", format=how) as container:
        streams: list[Any] = [
            container.add_stream(codec, rate=rate, layout="mono" if len(track) == 1 else "stereo") for track in tracks
        ]
        packets = []
        for stream, track in zip(streams, tracks, strict=True):
            made = [*stream.encode(_frame(track, rate)), *stream.encode(None)]
            packets += [edited for number, packet in enumerate(made) if (edited := edit(number, packet)) is not None]
        for packet in sorted(packets, key=lambda packet: packet.dts * packet.time_base):
            container.mux(packet)
    return path


def _frame(track: Samples, rate: int) -> Any:
    layout = "mono" if len(track) == 1 else "stereo"
    frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(track.T.reshape(1, -1)), "s16", layout)
    frame.sample_rate, frame.time_base, frame.pts = rate, Fraction(1, rate), 0
    return frame


def later(seconds: float, *, first: int) -> Edit:
    """Moves packets from a number on to a later time."""

    def edit(number: int, packet: Any) -> Any:
        if number >= first:
            moved = int(seconds / packet.time_base)
            packet.pts, packet.dts = packet.pts + moved, packet.dts + moved
        return packet

    return edit
