"""Makes the sample calls from `dialogues.toml`: two channels, 8 kHz, G.711 mu-law, as a telephone switch records them.

The agent (channel 0) and the customer (channel 1) are spoken by flite (`apt-get install flite`), band-limited to the telephone
band and laid over faint line noise. The same flite gives the same bytes. Next to each `NAME.wav` stand `NAME.json`, metadata to
submit it with, and `NAME.reference.json`, what is said and when.

    python samples/make.py
"""

import json
import shutil
import subprocess
import sys
import tempfile
import tomllib
import wave
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt
import soxr

Samples = npt.NDArray[np.float32]

FOLDER = Path(__file__).parent
RATE = 8000
AGENT_VOICE = "rms"
CHANNELS = ("agent", "customer")
PEAK = 0.35
LINE_NOISE = 0.0008
#: Quieter than this at the edges of what flite speaks is silence.
EDGE = 0.01
TAIL_MS = 800


@dataclass(frozen=True, kw_only=True, slots=True)
class Spoken:
    """One line of a dialogue with its place in the call."""

    channel: int
    start_ms: int
    text: str
    samples: Samples

    @property
    def duration_ms(self) -> int:
        """Length of the speech, milliseconds."""
        return len(self.samples) * 1000 // RATE

    @property
    def end_ms(self) -> int:
        """Where the speech ends, from the start of the call."""
        return self.start_ms + self.duration_ms


def speak(text: str, voice: str) -> Samples:
    """A line as flite says it: 8 kHz, -1 to 1, silence at the edges cut off."""
    with tempfile.TemporaryDirectory() as folder:
        spoken = Path(folder) / "line.wav"
        subprocess.run(["flite", "-voice", voice, "-t", text, "-o", str(spoken)], check=True, timeout=60)
        with wave.open(str(spoken)) as audio:
            rate = audio.getframerate()
            pcm = np.frombuffer(audio.readframes(audio.getnframes()), dtype="<i2")
    samples = soxr.resample(pcm.astype(np.float32), rate, RATE, quality="HQ")
    samples = samples * (PEAK / np.abs(samples).max())
    loud = np.flatnonzero(np.abs(samples) > EDGE)
    return np.asarray(samples[loud[0] : loud[-1] + 1], dtype=np.float32)


def place(dialogue: dict[str, Any]) -> list[Spoken]:
    """The lines of a dialogue, spoken, one after the other with their pauses."""
    placed: list[Spoken] = []
    for line in dialogue["lines"]:
        channel = CHANNELS.index(line["role"])
        samples = speak(line["text"], AGENT_VOICE if channel == 0 else dialogue["customer_voice"])
        end_ms = placed[-1].end_ms if placed else 0
        placed.append(Spoken(channel=channel, start_ms=end_ms + line["pause_ms"], text=line["text"], samples=samples))
    return placed


def mix(lines: list[Spoken]) -> npt.NDArray[np.int16]:
    """The call as linear samples, shape (channels, samples)."""
    length = (lines[-1].end_ms + TAIL_MS) * RATE // 1000
    call = np.random.default_rng(0).normal(0, LINE_NOISE, (len(CHANNELS), length)).astype(np.float32)
    for line in lines:
        start = line.start_ms * RATE // 1000
        call[line.channel, start : start + len(line.samples)] += line.samples
    return (np.clip(call, -1, 1) * 32767).astype(np.int16)


def write_mulaw(path: Path, call: npt.NDArray[np.int16]) -> None:
    """A WAV file in G.711 mu-law; bit-exact, so no name of the writing library in it."""
    with av.open(str(path), "w", format="wav", options={"fflags": "+bitexact"}) as container:
        stream = container.add_stream("pcm_mulaw", rate=RATE)
        stream.codec_context.layout = "stereo"
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(call.T.reshape(1, -1)), format="s16", layout="stereo")
        frame.sample_rate = RATE
        for packet in (*stream.encode(frame), *stream.encode(None)):
            container.mux(packet)


def write_json(path: Path, value: object) -> None:
    """A JSON file a person can read."""
    path.write_text(json.dumps(value, indent=2) + "\n", "utf-8")


def make(name: str, dialogue: dict[str, Any]) -> None:
    """Writes one sample call and what stands next to it."""
    lines = place(dialogue)
    write_mulaw(FOLDER / f"{name}.wav", mix(lines))
    channels = [{"channel": channel, "role": role} for channel, role in enumerate(CHANNELS)]
    metadata = {"call_id": f"sample-{name}", "channels": channels, "locale": "en-US", "properties": dialogue["properties"]}
    write_json(FOLDER / f"{name}.json", metadata)
    reference = [
        {
            **entry,
            "phrases": [
                {"start_ms": line.start_ms, "duration_ms": line.duration_ms, "text": line.text}
                for line in lines
                if line.channel == entry["channel"]
            ],
        }
        for entry in channels
    ]
    write_json(FOLDER / f"{name}.reference.json", {"call_id": metadata["call_id"], "channels": reference})


def main() -> int:
    """Makes every sample; 1 where flite is not installed."""
    if shutil.which("flite") is None:
        sys.stderr.write("flite is not installed; on Debian: apt-get install flite\n")
        return 1
    for name, dialogue in tomllib.loads((FOLDER / "dialogues.toml").read_text("utf-8")).items():
        make(name, dialogue)
    return 0


if __name__ == "__main__":
    sys.exit(main())
