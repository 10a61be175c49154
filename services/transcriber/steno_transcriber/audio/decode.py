"""Decodes what recorders write: any container and codec ffmpeg knows, as a stream of 16 kHz blocks, channels apart.

The media is hostile until shown otherwise: a service decodes it in a process of its own (`decoders`), never in this one.
"""

import errno
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import av
import av.logging
import numpy as np
import numpy.typing as npt
import soxr

from steno.audio_files import HEADERLESS_SUFFIXES, suffix_of
from steno_transcriber.audio.errors import UnreadableAudio
from steno_transcriber.audio.files import Readable, WithHeader, read_at
from steno_transcriber.audio.identify import ASK, identify
from steno_transcriber.audio.wire import AudioFormat, Block, outlandish
from steno_transcriber.speech import SAMPLE_RATE

__all__ = ["AudioFile", "AudioFormat", "Block", "open_audio", "read_audio"]

# Only formats that hold audio themselves. Playlists (HLS, DASH, concat, SDP) would let a file make us open others.
CONTAINERS = (
    "aac,ac3,aiff,alaw,amr,amrnb,amrwb,ape,asf,au,avi,caf,eac3,flac,flv,g722,g723_1,g726,g729,gsm,ilbc,ircam,m4a,matroska,"
    "mov,mp3,mp4,mpeg,mpegts,mulaw,nistsphere,ogg,rso,s16be,s16le,sox,tta,voc,w64,wav,webm,wv"
)

MOST_STREAMS = 100
"""Of a container; a recording has a few."""

SLICE_VALUES = 1 << 17
"""Values of all channels that are converted and resampled at once, however large the frames of a codec are."""

_UNKNOWN_CODEC = re.compile(r"Audio: none \(([^)\n]{1,60})\)")
_IMPOSSIBLE = re.compile(
    r"\b(?:invalid|unsupported|too many|impossible)\b[^\n]{0,20}\b(?:sample|rate|channel|bit)[^\n]{0,30}", re.IGNORECASE
)


def _audio_decoders() -> str:
    """The audio decoders of ffmpeg. No other is ever opened, not even to find out what a video stream holds."""
    names = []
    for name in sorted(av.codecs_available):
        try:
            codec = av.Codec(name, "r")
        except ValueError:  # an encoder
            continue
        if codec.type == "audio":
            names.append(name)
    return ",".join(names)


AUDIO_DECODERS = _audio_decoders()


class Source:
    """A file as ffmpeg reads it, which knows afterwards whether it was the file that failed."""

    def __init__(self, file: Readable, *, suffix: str) -> None:
        self._file = file
        #: ffmpeg looks at its extension.
        self.name = f"recording{suffix}"
        #: Why the file could not be read, if it could not.
        self.failure: OSError | None = None

    def read(self, size: int) -> bytes:
        """As of a file."""
        try:
            return self._file.read(size) or b""
        except OSError as error:
            self.failure = error
            raise

    def seek(self, offset: int, whence: int) -> int:
        """As of a file; where the media leads to no place in it, ffmpeg is told, and the file has not failed."""
        try:
            return self._file.seek(offset, whence)
        except (OSError, ValueError, OverflowError):
            return -errno.EINVAL

    def tell(self) -> int:
        """As of a file."""
        return self._file.tell()


class AudioFile:
    """An open recording, read once from front to back by `blocks()`."""

    def __init__(self, container: Any, source: Source, *, name: str, log: str = "") -> None:
        """`log` is what ffmpeg said when it opened the container."""
        self._name = name
        self._source = source
        self._container = container
        if not container.streams.audio:
            raise UnreadableAudio(f"{name} holds no audio")
        self._stream = container.streams.audio[0]
        self.decoded_samples = 0
        self._damaged_packets = 0
        codec = self._stream.codec_context
        if codec is None:
            tag = _UNKNOWN_CODEC.search(log)
            raise UnreadableAudio(f"{name} is encoded by a codec that is not known (its tag: {tag[1] if tag else 'none'})")
        if not codec.sample_rate or not codec.channels:
            raise UnreadableAudio(f"{name} does not say its sample rate and channels{_hint(log)}")
        self._check(codec.channels, codec.sample_rate)
        codec.thread_count = 1
        self.format = AudioFormat(
            container=container.format.name,
            codec=codec.name,
            channels=codec.channels,
            sample_rate=codec.sample_rate,
        )

    @property
    def duration_ms(self) -> int:
        """How much has been decoded so far; the length of the recording once `blocks()` is exhausted."""
        return self.decoded_samples * 1000 // self.format.sample_rate

    @property
    def damaged_packets(self) -> int:
        """Packets left out because they could not be decoded."""
        return self._damaged_packets

    def blocks(self) -> Iterator[Block]:
        """Yield the audio in blocks of about a second, or less where it is wide, in constant memory.

        Raises:
            UnreadableAudio: nothing in the file can be decoded, or its format changes midway.
        """
        with _library_errors(self._source, lambda: f"{self._name} cannot be decoded"):
            yield from self._blocks()

    def _blocks(self) -> Iterator[Block]:
        resampler = _resampler(self.format)
        waiting: list[npt.NDArray[np.float32]] = []
        enough = max(1, min(self.format.sample_rate, SLICE_VALUES // self.format.channels))
        for frame in self._frames():
            for samples in _slices(frame, enough):
                waiting.append(samples)
                self.decoded_samples += len(samples)
                if sum(map(len, waiting)) >= enough:
                    yield from _resampled(resampler, np.concatenate(waiting), last=False)
                    waiting.clear()
        if not self.decoded_samples:
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
            except av.error.FFmpegError:
                self._raise_if_file_failed()
                self._damaged_packets += 1
                continue
            for frame in frames:
                if (frame.sample_rate, frame.layout.nb_channels) != (self.format.sample_rate, self.format.channels):
                    self._check(frame.layout.nb_channels, frame.sample_rate)
                    raise UnreadableAudio(f"{self._name} changes its sample rate or channels midway")
                yield frame

    def _check(self, channels: int, sample_rate: int) -> None:
        wrong = outlandish(channels, sample_rate)
        if wrong:
            raise UnreadableAudio(f"{self._name} {wrong}")

    def _raise_if_file_failed(self) -> None:
        """A disk that fails is not a broken recording: it may be whole at the next try."""
        if self._source.failure is not None:
            raise self._source.failure


@contextmanager
def open_audio(path: Path, *, name: str | None = None, headerless: str | None = None) -> Iterator[AudioFile]:
    """Open a recording that is known to be no attack, in this very process. Arguments and errors are those of `read_audio`.

    Raises:
        OSError: the file cannot be read.
    """
    with path.open("rb", buffering=0) as file, read_audio(file, name=name or path.name, headerless=headerless) as audio:
        yield audio


@contextmanager
def read_audio(file: Readable, *, name: str, headerless: str | None = None) -> Iterator[AudioFile]:
    """Read a recording of any container and codec.

    Args:
        file: the open file.
        name: what to call it in errors; its suffix counts where the content does not tell.
        headerless: how it is coded if it has no header (a `steno.audio_files.Headerless`), as its submitter says.

    Raises:
        UnreadableAudio: it is not audio.
        OSError: the file cannot be read. No other error of the system comes from here, whatever ffmpeg calls its own.
    """
    size = file.seek(0, 2)
    if size == 0:
        raise UnreadableAudio(f"{name} is empty (0 bytes)")
    found = identify(partial(read_at, file), size, name=name, headerless=headerless)
    file.seek(0)
    suffix = suffix_of(name)
    # ffmpeg, too, looks at suffixes, and takes those of files without a header for more than what is in them.
    told = re.fullmatch(r"\.[a-z0-9_]{1,10}", suffix) and suffix not in HEADERLESS_SUFFIXES
    source = Source(WithHeader(found.header, file) if found.header else file, suffix=suffix if told else "")
    options = {
        **found.options,
        "format_whitelist": CONTAINERS,
        "codec_whitelist": AUDIO_DECODERS,
        "protocol_whitelist": "none",  # a container that names other files is not followed to them
        "max_streams": str(MOST_STREAMS),
    }
    log: list[tuple[int, str, str]] = []
    av.logging.set_level(av.logging.WARNING)
    try:
        with (
            _library_errors(source, lambda: f"{name} {_unopened(_said(log))}"),
            av.logging.Capture() as log,
        ):
            container = av.open(source, format=found.demuxer, options=options, metadata_errors="replace")
    finally:
        av.logging.set_level(None)
    with container:
        with _library_errors(source, lambda: f"{name} cannot be decoded"):
            audio = AudioFile(container, source, name=name, log=_said(log))
        yield audio


def _said(log: list[tuple[int, str, str]]) -> str:
    return "".join(line for _, _, line in log)


def _unopened(said: str) -> str:
    return f"is not an audio file, or its header is cut off{_hint(said)}; if it never had one, {ASK}"


def _hint(said: str) -> str:
    """What ffmpeg found impossible, where it said so."""
    found = _IMPOSSIBLE.search(said)
    return f" ({found[0].strip()})" if found else ""


@contextmanager
def _library_errors(source: Source, reason: Callable[[], str]) -> Iterator[None]:
    """No error of ffmpeg and what is around it passes for one of ours, or for one of the disk, which only a read can meet."""
    try:
        yield
    except UnreadableAudio:
        raise
    except Exception as error:
        if source.failure is not None:
            raise source.failure from None
        if isinstance(error, av.error.FFmpegError):
            raise UnreadableAudio(reason()) from None
        if isinstance(error, MemoryError | ImportError):  # what is left to import cannot be, where decoders are
            raise
        raise UnreadableAudio(f"{reason()} ({type(error).__name__})") from error


def _slices(frame: Any, most: int) -> Iterator[npt.NDArray[np.float32]]:
    """The samples of a frame as float32 in [-1, 1], shape (samples, channels), in pieces of bounded size."""
    array: npt.NDArray[Any] = frame.to_ndarray()
    array = array.T if frame.format.is_planar else array.reshape(-1, frame.layout.nb_channels)
    for begin in range(0, len(array), most):
        yield _scaled(array[begin : begin + most])


def _scaled(array: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
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
