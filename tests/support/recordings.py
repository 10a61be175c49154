"""Recordings to transcribe, made from the sample calls of the repository."""

import wave
from pathlib import Path

import av

SAMPLES = Path(__file__).parents[2] / "samples"


def sample_call(name: str = "lost-card") -> Path:
    """Returns the path of a two-channel 8 kHz sample call."""
    return SAMPLES / f"{name}.wav"


def excerpt(path: Path, *, seconds: float, begin: float = 0.0, name: str = "lost-card") -> Path:
    """Writes a part of a sample call to `path` as 16-bit WAV."""
    pcm = bytearray()
    with av.open(str(sample_call(name))) as container:
        for frame in container.decode(audio=0):
            pcm += bytes(frame.planes[0])[: frame.samples * 4]
    frame_bytes = 4
    first, last = int(begin * 8000) * frame_bytes, int((begin + seconds) * 8000) * frame_bytes
    with wave.open(str(path), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(bytes(pcm[first:last]))
    return path


def silence(path: Path, *, seconds: int, channels: int = 2, rate: int = 8000) -> Path:
    """Writes a WAV of digital silence, second by second."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate)
        for _ in range(seconds):
            file.writeframes(bytes(2 * channels * rate))
    return path
