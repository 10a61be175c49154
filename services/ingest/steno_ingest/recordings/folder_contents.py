"""Finds the complete recordings among the files of the watched folder, and says why the others are left. Pure.

A recording is recognised by its name (`steno.audio_files`). It is complete when neither it nor its metadata, `NAME.json`, has
changed for a while, or as soon as there is a marker file: `NAME.wav.done` or `NAME.done` for `NAME.wav`.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import NamedTuple

from steno.audio_files import is_audio_name, is_partial_name

SIDECAR = ".json"
MARKER = ".done"
EMPTY_WAITS = 10
"""An empty file must be unchanged this many times as long as others, since programs create a file before they write it."""


class Stamp(NamedTuple):
    """Values that change whenever a file changes or is replaced."""

    inode: int
    size: int
    modified_ns: int


@dataclass(frozen=True, kw_only=True, slots=True)
class FoundRecording:
    """A recording in the folder: the names and stamps of its files."""

    audio: str
    sidecar: str | None
    marker: str | None
    audio_stamp: Stamp
    sidecar_stamp: Stamp | None = None


class SettleTracker:
    """Tracks which files have not changed for a while."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._seen: dict[str, tuple[Stamp, float]] = {}

    def settled(self, present: Mapping[str, Stamp], now: float) -> set[str]:
        """Returns the present files whose stamps have not changed for long enough; forgets files that are gone."""
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
    """Returns the complete recordings, sorted by name.

    Args:
        only_marked: Whether a recording is complete only with its marker.
    """
    found = []
    for name in sorted(filter(is_recording, present)):
        recording = _with_companions(name, present)
        still = {recording.audio, recording.sidecar or recording.audio} <= set(settled)
        if recording.marker is not None or (still and not only_marked):
            found.append(recording)
    return found


def reasons_left(present: Mapping[str, Stamp], settled: Collection[str], *, only_marked: bool = False) -> dict[str, str]:
    """Returns the reasons why settled files are not accepted, by name."""
    own = {name: recording for name in filter(is_recording, present) for recording in (_with_companions(name, present),)}
    beside = {other for recording in own.values() for other in (recording.sidecar, recording.marker)}
    reasons = {}
    for name in sorted(set(settled) - beside):
        if name not in own:
            reasons[name] = _reason_left(name)
        elif only_marked and own[name].marker is None:
            reasons[name] = f"its marker {name}{MARKER} is missing"
    return reasons


def is_recording(name: str) -> bool:
    """Whether a file has the name of a complete recording."""
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


def _reason_left(name: str) -> str:
    if is_partial_name(name):
        return "its name is that of a file still being written: rename it when it is complete"
    if name.endswith((SIDECAR, MARKER)):
        return "there is no recording of that name"
    return "its suffix is not that of a recording"
