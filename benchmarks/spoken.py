"""Recordings of which it is known what is said in them, in groups: the calls and the read speech of `../shared/data/calls`
where they are there, and the samples of the repository."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from steno_transcriber.audio.decode import Block, open_audio

ROOT = Path(__file__).parents[1]
SHARED = ROOT.parent / "shared" / "data" / "calls"
REAL_CALLS = "hvb"
SAMPLES = "samples"


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A recording and what was said on each channel."""

    path: Path
    audio: Block
    said: tuple[str, ...]


def groups() -> dict[str, list[Call]]:
    """English recordings with references, by where they come from; never empty."""
    found = {name: list(calls) for name, calls in groupby(_shared(), key=lambda call: call.path.relative_to(SHARED).parts[0])}
    return {**found, SAMPLES: _samples()}


def real_calls() -> list[Call]:
    """Two-channel calls: real ones where they are there, else the samples."""
    folder = SHARED / REAL_CALLS
    return [_call(path, _references(path.with_suffix(".json"))) for path in sorted(folder.glob("*.wav"))] or _samples()


def _samples() -> list[Call]:
    references = sorted((ROOT / "samples").glob("*.reference.json"))
    return [_call(Path(str(path).replace(".reference.json", ".wav")), _said_in_channels(path)) for path in references]


def _shared() -> Iterator[Call]:
    manifest = SHARED / "manifest.json"
    if not manifest.is_file():
        return
    for entry in sorted(json.loads(manifest.read_text())["files"], key=lambda entry: str(entry["file"])):
        path = SHARED / entry["file"]
        said = _said(entry)
        if said and path.is_file() and str(entry.get("language", "en")).startswith("en"):
            yield _call(path, said)


def _said(entry: dict[str, Any]) -> dict[int, str]:
    """What was said on each channel; a text for the whole recording on the first: where all have it, it is written there."""
    if texts := entry.get("channel_references"):
        return dict(enumerate(texts))
    reference = entry.get("reference")
    if not reference:
        return {}
    if reference.endswith(".json"):
        return _references(SHARED / reference)
    return {0: reference}


def _references(path: Path) -> dict[int, str]:
    said: dict[int, str] = {}
    for part in sorted(json.loads(path.read_text())["segments"], key=lambda part: int(part["start_ms"])):
        said[part["channel"]] = f"{said.get(part['channel'], '')} {part['text']}"
    return said


def _said_in_channels(path: Path) -> dict[int, str]:
    channels = json.loads(path.read_text())["channels"]
    return {part["channel"]: " ".join(phrase["text"] for phrase in part["phrases"]) for part in channels}


def _call(path: Path, said: dict[int, str]) -> Call:
    with open_audio(path) as audio:
        samples = np.concatenate(list(audio.blocks()), axis=1)
    return Call(path=path, audio=samples, said=tuple(said.get(channel, "") for channel in range(len(samples))))
