"""Decodes any audio file, and encodes it as the audio of a live call: frames of a telephone codec, in real time."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av

from steno.cli.api import ApiError
from steno.events.records import AudioCodec

# Headerless telephony audio: G.711 at 8 kHz, one channel.
_HEADERLESS = {".ulaw": "mulaw", ".ul": "mulaw", ".mulaw": "mulaw", ".raw": "mulaw", ".alaw": "alaw", ".al": "alaw"}
_ENCODERS = {AudioCodec.PCMU: "pcm_mulaw", AudioCodec.PCMA: "pcm_alaw", AudioCodec.S16LE: "pcm_s16le"}
_MOST_CHANNELS = 8


class UnplayableAudio(ApiError):
    """The file cannot be played as a call."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallAudio:
    """An audio file, and the codec in which it is sent as a call."""

    path: Path
    codec: AudioCodec
    #: Samples per second of one channel: 8000 or 16000.
    sample_rate: int
    channels: int

    @property
    def frame_bytes(self) -> int:
        """The size of one sample of all channels, in bytes."""
        return self.codec.sample_bytes * self.channels

    def bytes_of(self, milliseconds: float) -> int:
        """The size of a span of the call, in bytes."""
        return int(self.sample_rate * milliseconds / 1000) * self.frame_bytes

    def frames(self, milliseconds: int) -> Iterator[bytes]:
        """Decodes the audio as it is read, and gives it in frames of a length, channels interleaved; the last may be shorter.

        Raises:
            UnplayableAudio: the file cannot be decoded to its end.
        """
        size = self.bytes_of(milliseconds)
        waiting = bytearray()
        for piece in self._pieces():
            waiting += piece
            whole = len(waiting) - len(waiting) % size
            for start in range(0, whole, size):
                yield bytes(waiting[start : start + size])
            del waiting[:whole]
        if waiting:
            yield bytes(waiting)

    def _pieces(self) -> Iterator[bytes]:
        with _open(self.path) as container:
            stream = container.streams.audio[0]
            encoder: Any = av.CodecContext.create(_ENCODERS[self.codec], "w")
            encoder.sample_rate, encoder.layout, encoder.format = self.sample_rate, stream.layout, "s16"
            resampler = av.AudioResampler(format="s16", layout=stream.layout, rate=self.sample_rate)
            try:
                for frame in container.decode(stream):
                    frame.pts = None
                    yield from _encoded(encoder, resampler.resample(frame))
                yield from _encoded(encoder, [*resampler.resample(None), None])
            except av.error.FFmpegError as error:
                raise UnplayableAudio(f"{self.path} cannot be decoded: {error}") from None


def open_call_audio(path: Path, *, codec: AudioCodec = AudioCodec.PCMU, sample_rate: int = 8000) -> CallAudio:
    """Opens a file as the audio of a call, in a codec at a sample rate; the number of channels stays.

    Raises:
        UnplayableAudio: the file is no audio, or has more channels than a call may have.
    """
    with _open(path) as container:
        channels = container.streams.audio[0].layout.nb_channels
    if not 1 <= channels <= _MOST_CHANNELS:
        raise UnplayableAudio(f"{path} has {channels} channels; a call has 1 to {_MOST_CHANNELS}")
    return CallAudio(path=path, codec=codec, sample_rate=sample_rate, channels=channels)


async def paced(
    frames: Iterable[bytes],
    *,
    seconds: float,
    speed: float = 1,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> AsyncIterator[bytes]:
    """Gives frames of a length (seconds) at the times at which a telephone would send them, `speed` times as fast.

    Frames that are late follow at once, as after a stall of the network.
    """
    began = clock()
    for number, frame in enumerate(frames, 1):
        # Sleeps also if the frame is due, so that other tasks run.
        await sleep(max(0.0, began + number * seconds / speed - clock()))
        yield frame


def _open(path: Path) -> Any:
    form = _HEADERLESS.get(path.suffix.lower())
    options = {"sample_rate": "8000", "ch_layout": "mono"} if form else {}
    try:
        container = av.open(f"file:{path}", format=form, options=options, metadata_errors="replace")
    except (av.error.FFmpegError, OSError) as error:
        raise UnplayableAudio(f"{path} is not an audio file: {error}") from None
    if not container.streams.audio:
        container.close()
        raise UnplayableAudio(f"{path} holds no audio")
    return container


def _encoded(encoder: Any, frames: Iterable[Any]) -> Iterator[bytes]:
    for frame in frames:
        for packet in encoder.encode(frame):
            yield bytes(packet)
