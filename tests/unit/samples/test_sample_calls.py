"""The sample calls: small, telephone audio, and described as they are."""

import json
import runpy
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt
import pytest

from steno.events.records import RecordingSubmitted

FOLDER = Path(__file__).parents[3] / "samples"
NAMES = ("billing-dispute", "delivery-enquiry", "lost-card")
RATE = 8000


@pytest.fixture(params=NAMES)
def name(request: pytest.FixtureRequest) -> str:
    """Each sample in turn."""
    return str(request.param)


def beside(name: str, suffix: str) -> Any:
    """A JSON file that stands beside a sample."""
    return json.loads((FOLDER / f"{name}{suffix}").read_text("utf-8"))


def decoded(name: str) -> npt.NDArray[np.float32]:
    """The call as samples of -1 to 1, shape (channels, samples)."""
    with av.open(FOLDER / f"{name}.wav") as container:
        stream = container.streams.audio[0]
        assert (stream.codec_context.name, stream.rate, stream.channels) == ("pcm_mulaw", RATE, 2)
        parts = [frame.to_ndarray().reshape(-1, 2) for frame in container.decode(stream)]
    return np.concatenate(parts).T.astype(np.float32) / np.float32(32768)


def test_the_folder_holds_these_samples() -> None:
    """No sample is left out of the tests."""
    assert tuple(sorted(path.stem for path in FOLDER.glob("*.wav"))) == NAMES


def test_a_sample_is_small_and_short(name: str) -> None:
    """20 to 60 seconds, less than a megabyte."""
    assert 20 <= decoded(name).shape[1] / RATE <= 60
    assert (FOLDER / f"{name}.wav").stat().st_size < 1_000_000


def test_the_metadata_submits_it(name: str) -> None:
    """What stands beside a sample is what a submission takes."""
    record = RecordingSubmitted(url="https://example.org/a.wav", **beside(name, ".json"))
    assert [(entry.channel, entry.role) for entry in record.channels] == [(0, "agent"), (1, "customer")]


def test_speech_is_where_the_reference_says(name: str) -> None:
    """Each phrase is loud on its own channel, and the channel is as good as silent elsewhere."""
    call = decoded(name)
    for entry in beside(name, ".reference.json")["channels"]:
        silent = np.ones(call.shape[1], dtype=bool)
        for phrase in entry["phrases"]:
            place = slice(phrase["start_ms"] * RATE // 1000, (phrase["start_ms"] + phrase["duration_ms"]) * RATE // 1000 + 8)
            assert np.abs(call[entry["channel"], place]).max() > 0.2
            silent[place] = False
        assert np.abs(call[entry["channel"], silent]).max() < 0.02


def test_the_speakers_overlap_once(name: str) -> None:
    """Each call has one small overlap, and pauses otherwise."""
    phrases = [phrase for entry in beside(name, ".reference.json")["channels"] for phrase in entry["phrases"]]
    phrases.sort(key=lambda phrase: phrase["start_ms"])
    gaps = [after["start_ms"] - before["start_ms"] - before["duration_ms"] for before, after in pairwise(phrases)]
    assert sum(gap < 0 for gap in gaps) == 1
    assert min(gaps) >= -500


def test_the_example_client_reads_a_sample_as_it_is(name: str) -> None:
    """It is G.711, which Python's own `wave` does not read."""
    example = runpy.run_path(str(FOLDER.parent / "examples" / "stream_client.py"))
    about, audio = example["read_wav"](str(FOLDER / f"{name}.wav"))
    assert about == {"codec": "PCMU", "sample_rate": RATE, "channels": [{}, {}]}
    assert len(audio) > 10 * RATE * 2
