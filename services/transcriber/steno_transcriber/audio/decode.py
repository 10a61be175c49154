"""Decodes what recorders write: any container and codec ffmpeg knows, as a stream of 16 kHz blocks, channels apart."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import av
import numpy as np
import numpy.typing as npt
import soxr

from steno_transcriber.audio.errors import UnreadableAudio
from steno_transcriber.speech import SAMPLE_RATE

Block = npt.NDArray[np.float32]
"""Samples of all channels at 16 kHz in [-1, 1], shape (channels, samples)."""

Headerless = Literal["mulaw", "alaw"]

HEADERLESS_EXTENSIONS: dict[str, Headerless] = {
    ".alaw": "alaw",
    ".al": "alaw",
    ".mulaw": "mulaw",
    ".raw": "mulaw",
    ".ul": "mulaw",
    ".ulaw": "mulaw",
}
"""Headerless telephony audio: G.711 at 8 kHz, one channel (RFC 3551, 4.5.14)."""

# Only formats that hold audio themselves. Playlists (HLS, DASH, concat, SDP) would let a file make us open others.
CONTAINERS = (
    "aac,ac3,aiff,alaw,amr,amrnb,amrwb,ape,asf,au,avi,caf,eac3,flac,flv,g722,g723_1,g726,g729,gsm,ircam,m4a,matroska,"
    "mov,mp3,mp4,mpeg,mpegts,mulaw,nistsphere,ogg,rso,sox,tta,voc,w64,wav,webm,wv"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioFormat:
    """What a file holds: container and codec by ffmpeg's names, channels, samples per second."""

    container: str
    codec: str
    channels: int
    sample_rate: int


class AudioFile:
    """An open recording, read once from front to back by `blocks()`."""

    def __init__(self, container: Any, *, name: str) -> None:
        self._name = name
        if not container.streams.audio:
            raise UnreadableAudio(f"{name} holds no audio")
        self._container = container
        self._stream = container.streams.audio[0]
        self._decoded_samples = 0
        self._damaged_packets = 0
        codec = self._stream.codec_context
        if not codec.sample_rate or not codec.channels:
            raise UnreadableAudio(f"{name} does not say its sample rate and channels")
        self.format = AudioFormat(
            container=container.format.name,
            codec=codec.name,
            channels=codec.channels,
            sample_rate=codec.sample_rate,
        )

    @property
    def duration_ms(self) -> int:
        """How much has been decoded so far; the length of the recording once `blocks()` is exhausted."""
        return self._decoded_samples * 1000 // self.format.sample_rate

    @property
    def damaged_packets(self) -> int:
        """Packets left out because they could not be decoded."""
        return self._damaged_packets

    def blocks(self) -> Iterator[Block]:
        """Yield the audio in blocks of about a second, in constant memory.

        Raises:
            UnreadableAudio: nothing in the file can be decoded, or its format changes midway.
        """
        resampler = _resampler(self.format)
        waiting: list[npt.NDArray[np.float32]] = []
        for frame in self._frames():
            waiting.append(_samples(frame))
            self._decoded_samples += frame.samples
            if sum(map(len, waiting)) >= self.format.sample_rate:
                yield from _resampled(resampler, np.concatenate(waiting), last=False)
                waiting.clear()
        if not self._decoded_samples:
            raise UnreadableAudio(f"{self._name} holds no audio that can be decoded")
        rest = np.concatenate(waiting) if waiting else np.zeros((0, self.format.channels), dtype=np.float32)
        yield from _resampled(resampler, rest, last=True)

    def _frames(self) -> Iterator[Any]:
        """Decoded frames; damaged packets are left out, as a player would."""
        packets = self._container.demux(self._stream)
        while True:
            try:
                frames = next(packets).decode()
            except StopIteration:
                return
            except av.error.FFmpegError as error:
                _raise_if_system(error)
                self._damaged_packets += 1
                continue
            for frame in frames:
                if (frame.sample_rate, frame.layout.nb_channels) != (self.format.sample_rate, self.format.channels):
                    raise UnreadableAudio(f"{self._name} changes its sample rate or channels midway")
                yield frame


@contextmanager
def open_audio(path: Path, *, name: str | None = None, headerless: Headerless | None = None) -> Iterator[AudioFile]:
    """Open a recording of any container and codec.

    Args:
        path: the local file.
        name: what to call it in errors, and whose extension counts; the name of `path` if not given.
        headerless: the codec of a file without a header (8 kHz, mono); by default the extension tells.

    Raises:
        UnreadableAudio: it is not audio.
        OSError: the file cannot be read.
    """
    shown = name if name is not None else path.name
    codec = headerless or HEADERLESS_EXTENSIONS.get(Path(shown).suffix.lower())
    if path.stat().st_size == 0:
        raise UnreadableAudio(f"{shown} is empty (0 bytes)")
    options = {"format_whitelist": CONTAINERS, "protocol_whitelist": "file"}
    if codec is not None:
        options |= {"sample_rate": "8000", "ch_layout": "mono"}
    try:
        container = av.open(f"file:{path}", format=codec, options=options, metadata_errors="replace")
    except av.error.FFmpegError as error:
        _raise_if_system(error)
        raise UnreadableAudio(f"{shown} is not an audio file, or its header is cut off") from None
    with container:
        yield AudioFile(container, name=shown)


def _raise_if_system(error: Exception) -> None:
    """A disk that fails is not a broken recording: it may be whole at the next try."""
    if isinstance(error, OSError):
        raise error


def _samples(frame: Any) -> npt.NDArray[np.float32]:
    """The samples of a frame as float32 in [-1, 1], shape (samples, channels)."""
    array: npt.NDArray[Any] = frame.to_ndarray()
    array = array.T if frame.format.is_planar else array.reshape(-1, frame.layout.nb_channels)
    match array.dtype.kind:
        case "u":
            scaled = (array - 128.0) / 128.0
        case "i":
            scaled = array / float(2 ** (8 * array.itemsize - 1))
        case _:
            scaled = np.clip(np.nan_to_num(array), -1.0, 1.0)
    return np.asarray(scaled, dtype=np.float32)


def _resampler(audio_format: AudioFormat) -> Any:
    if audio_format.sample_rate == SAMPLE_RATE:
        return None
    return soxr.ResampleStream(audio_format.sample_rate, SAMPLE_RATE, audio_format.channels, dtype="float32")


def _resampled(resampler: Any, samples: npt.NDArray[np.float32], *, last: bool) -> Iterator[Block]:
    resampled = samples if resampler is None else resampler.resample_chunk(samples, last=last)
    if len(resampled):
        yield np.ascontiguousarray(resampled.reshape(len(resampled), -1).T)
