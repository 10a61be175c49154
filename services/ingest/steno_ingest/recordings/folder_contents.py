"""Tells the complete recordings of the watched folder from files that stay where they are. Pure.

A recording is known by its name (`steno.audio_files`). It is whole when neither it nor its metadata, `NAME.json`, has changed
for a while; or at once where a marker, an empty file say, lies beside it: `NAME.wav.done` or `NAME.done` for `NAME.wav`.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import NamedTuple

from steno.audio_files import is_audio_name, is_partial_name

SIDECAR = ".json"
MARKER = ".done"
EMPTY_WAITS = 10
"""An empty file waits so many times as long as others: programs create a file first, and write once they have something."""


class Stamp(NamedTuple):
    """By what a file is known to be the same one, unchanged."""

    inode: int
    size: int
    modified_ns: int


@dataclass(frozen=True, kw_only=True, slots=True)
class FoundRecording:
    """A complete recording in the folder: the names of its files, and by what they are known."""

    audio: str
    sidecar: str | None
    marker: str | None
    audio_stamp: Stamp
    sidecar_stamp: Stamp | None = None


class Settling:
    """Tells which files have not changed for a while."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._seen: dict[str, tuple[Stamp, float]] = {}

    def settled(self, present: Mapping[str, Stamp], now: float) -> set[str]:
        """The files that have kept their stamp long enough, by what is there now; others are forgotten."""
        self._seen = {
            name: (stamp, self._seen[name][1] if name in self._seen and self._seen[name][0] == stamp else now)
            for name, stamp in present.items()
        }
        return {name for name, (stamp, since) in self._seen.items() if now - since >= self._waits(stamp)}

    def _waits(self, stamp: Stamp) -> float:
        return self._seconds * (1 if stamp.size else EMPTY_WAITS)


def complete_recordings(
    present: Mapping[str, Stamp], settled: Collection[str], *, only_marked: bool = False
) -> list[FoundRecording]:
    """The recordings that are whole, in the order of their names.

    Args:
        only_marked: no recording is whole without its marker.
    """
    found = []
    for name in sorted(filter(is_recording, present)):
        recording = _with_companions(name, present)
        still = {recording.audio, recording.sidecar or recording.audio} <= set(settled)
        if recording.marker is not None or (still and not only_marked):
            found.append(recording)
    return found


def reasons_left(present: Mapping[str, Stamp], settled: Collection[str], *, only_marked: bool = False) -> dict[str, str]:
    """The files that are left and have not changed for a while, with the reason of each."""
    own = {name: recording for name in filter(is_recording, present) for recording in (_with_companions(name, present),)}
    beside = {other for recording in own.values() for other in (recording.sidecar, recording.marker)}
    reasons = {}
    for name in sorted(set(settled) - beside):
        if name not in own:
            reasons[name] = _why_none(name)
        elif only_marked and own[name].marker is None:
            reasons[name] = f"it waits for its marker, {name}{MARKER}"
    return reasons


def is_recording(name: str) -> bool:
    """Whether a file is called as recordings that are whole are."""
    return is_audio_name(name) and not is_partial_name(name)


def _with_companions(name: str, present: Mapping[str, Stamp]) -> FoundRecording:
    stem = PurePath(name).stem
    sidecar = stem + SIDECAR if stem + SIDECAR in present else None
    marker = next((marker for marker in (name + MARKER, stem + MARKER) if marker in present), None)
    return FoundRecording(
        audio=name,
        sidecar=sidecar,
        marker=marker,
        audio_stamp=present[name],
        sidecar_stamp=present[sidecar] if sidecar else None,
    )


def _why_none(name: str) -> str:
    if is_partial_name(name):
        return "it is called as files are that are still being written: rename it when it is whole"
    if name.endswith((SIDECAR, MARKER)):
        return "no recording of that name lies beside it"
    return "it is not called as recordings are: its suffix is none of theirs"
