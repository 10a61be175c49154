"""Decodes recordings of any container and codec that ffmpeg knows, to blocks at 16 kHz with separate channels.

Media may be hostile: a service decodes it in a separate process (`decoders`), never in its own.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import av
import av.logging
import numpy as np
from av.stream import Disposition

from steno.audio_files import HEADERLESS_SUFFIXES, suffix_of
from steno_transcriber.audio.errors import UnreadableAudio
from steno_transcriber.audio.ffmpeg_io import Opened, Source, WatchedFile, library_errors
from steno_transcriber.audio.files import Readable, WithHeader, read_at
from steno_transcriber.audio.identify import ASK, identify
from steno_transcriber.audio.track import Track
from steno_transcriber.audio.wav_header import understates_length
from steno_transcriber.audio.wire_format import AudioFormat, Block, Flaws, format_fault
from steno_transcriber.speech import SAMPLE_RATE

__all__ = ["AudioFile", "AudioFormat", "Block", "open_audio", "read_audio"]

# Only formats that hold audio themselves. Playlists (HLS, DASH, concat, SDP) would let a file make us open others.
CONTAINERS = (
    "aac,ac3,aiff,alaw,amr,amrnb,amrwb,ape,asf,au,avi,caf,eac3,flac,flv,g722,g723_1,g726,g729,gsm,ilbc,ircam,m4a,matroska,"
    "mov,mp3,mp4,mpeg,mpegts,mulaw,nistsphere,ogg,rso,s16be,s16le,sox,tta,voc,w64,wav,webm,wv"
)

MOST_STREAMS = 100
"""Of a container; a recording has a few."""

MOST_TRACKS = 8
"""Of one channel each, that are read side by side."""

_UNKNOWN_CODEC = re.compile(r"Audio: none \(([^)\n]{1,60})\)")
_IMPOSSIBLE = re.compile(
    r"\b(?:invalid|unsupported|too many|impossible)\b[^\n]{0,20}\b(?:sample|rate|channel|bit)[^\n]{0,30}", re.IGNORECASE
)


def _audio_decoders() -> str:
    """The audio decoders of ffmpeg. No other decoder is opened, not even to identify a video stream."""
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


class AudioFile:
    """An open recording, read once from front to back by `blocks()`."""

    def __init__(self, opened: Opened, again: Callable[[int], Opened], *, name: str, log: str = "") -> None:
        """`again` opens the file once more, from a position. `log` has ffmpeg's messages about opening the container."""
        self._name = name
        self._opened = opened
        self._again = again
        container, _ = opened
        if not container.streams.audio:
            raise UnreadableAudio(f"{name} holds no audio")
        self._streams = _chosen(container.streams.audio)
        codec = self._streams[0].codec_context
        if codec is None:
            tag = _UNKNOWN_CODEC.search(log)
            raise UnreadableAudio(f"{name} is encoded by a codec that is not known (its tag: {tag[1] if tag else 'none'})")
        if not codec.sample_rate or not codec.channels:
            raise UnreadableAudio(f"{name} does not say its sample rate and channels{_hint(log)}")
        if wrong := format_fault(codec.channels, codec.sample_rate):
            raise UnreadableAudio(f"{name} {wrong}")
        self.format = AudioFormat(
            container=container.format.name,
            codec=codec.name,
            channels=codec.channels if len(self._streams) == 1 else len(self._streams),
            sample_rate=codec.sample_rate,
        )
        #: By the rate of the format.
        self.decoded_samples = 0
        #: What was wrong with it, once `blocks()` is exhausted.
        self.flaws = Flaws()

    @property
    def duration_ms(self) -> int:
        """How much has been decoded so far; the length of the recording once `blocks()` is exhausted."""
        return self.decoded_samples * 1000 // self.format.sample_rate

    def blocks(self) -> Iterator[Block]:
        """Yield the audio in blocks of about a second, or less where it is wide, in constant memory.

        Raises:
            UnreadableAudio: nothing in the file can be decoded.
        """
        with ExitStack() as others:
            tracks = list(self._tracks(others))
            heard = 0
            for block in _side_by_side([track.blocks() for track in tracks]):
                heard += block.shape[1]
                self.decoded_samples = heard * self.format.sample_rate // SAMPLE_RATE
                yield block
            if not heard:
                raise UnreadableAudio(f"{self._name} holds no audio that can be decoded")
            self.decoded_samples = max(track.length_in(self.format.sample_rate) for track in tracks)
            self.flaws = Flaws.of_tracks(
                [track.flaws for track in tracks], left_out=len(self._opened[0].streams.audio) - len(tracks)
            )

    def _tracks(self, others: ExitStack) -> Iterator[Track]:
        def again(base: int) -> Opened:
            container, source = self._again(base)
            return others.enter_context(container), source

        for number, stream in enumerate(self._streams):
            container, source = again(0) if number else self._opened
            yield Track(container, container.streams[stream.index], source, again=again, name=self._name)


@contextmanager
def open_audio(path: Path, *, name: str | None = None, headerless: str | None = None) -> Iterator[AudioFile]:
    """Open a trusted recording in this process. Arguments and errors are those of `read_audio`.

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
        name: its name in errors; the suffix counts where the content does not identify the format.
        headerless: its coding if it has no header (a `steno.audio_files.Headerless`), by its submitter.

    Raises:
        UnreadableAudio: it is not audio.
        OSError: the file cannot be read. No other error of the system comes from here, whatever ffmpeg calls its own.
    """
    size = file.seek(0, 2)
    if size == 0:
        raise UnreadableAudio(f"{name} is empty (0 bytes)")
    found = identify(partial(read_at, file), size, name=name, headerless=headerless)
    suffix = suffix_of(name)
    # ffmpeg, too, looks at suffixes, and takes those of files without a header for more than what is in them.
    told = re.fullmatch(r"\.[a-z0-9_]{1,10}", suffix) and suffix not in HEADERLESS_SUFFIXES
    options = {
        **found.options,
        "format_whitelist": CONTAINERS,
        "codec_whitelist": AUDIO_DECODERS,
        "protocol_whitelist": "none",  # a container that names other files is not followed to them
        "max_streams": str(MOST_STREAMS),
    }
    if understates_length(partial(read_at, file), size):
        options["ignore_length"] = "1"
    watched = WatchedFile(WithHeader(found.header, file) if found.header else file)
    log: list[tuple[int, str, str]] = []

    def opened(base: int = 0) -> Opened:
        source = Source(watched, suffix=suffix if told else "", base=base)
        with library_errors(watched, lambda: f"{name} {_unopened(_said(log))}"):
            return av.open(source, format=found.demuxer, options=dict(options), metadata_errors="replace"), source

    av.logging.set_level(av.logging.WARNING)
    try:
        with av.logging.Capture() as log:
            container, source = opened()
    finally:
        av.logging.set_level(None)
    with container:
        with library_errors(watched, lambda: f"{name} cannot be decoded"):
            audio = AudioFile((container, source), opened, name=name, log=_said(log))
        yield audio


def _chosen(streams: Any) -> list[Any]:
    """Chooses the tracks of a recording: all where each has one channel, else the default track of the container."""
    known = [stream for stream in streams if _is_known(stream)]
    if len(known) > 1 and all(stream.codec_context.channels == 1 for stream in known):
        return known[:MOST_TRACKS]
    default = (stream for stream in known if stream.disposition & Disposition.default)
    return [next(default, known[0] if known else streams[0])]


def _is_known(stream: Any) -> bool:
    codec = stream.codec_context
    return codec is not None and not format_fault(codec.channels, codec.sample_rate)


def _side_by_side(tracks: list[Iterator[Block]]) -> Iterator[Block]:
    """Joins the channels of all tracks; a track that ends before another is continued by silence."""
    if len(tracks) == 1:
        yield from tracks[0]
        return
    nothing = np.zeros((1, 0), dtype=np.float32)
    waiting = [nothing] * len(tracks)
    while True:
        waiting = [block if block.size else next(track, nothing) for block, track in zip(waiting, tracks, strict=True)]
        samples = min((block.shape[1] for block in waiting if block.size), default=0)
        if not samples:
            return
        silence = np.zeros((1, samples), dtype=np.float32)
        yield np.concatenate([block[:, :samples] if block.size else silence for block in waiting])
        waiting = [block[:, samples:] for block in waiting]


def _said(log: list[tuple[int, str, str]]) -> str:
    return "".join(line for _, _, line in log)


def _unopened(said: str) -> str:
    return f"is not an audio file, or its header is cut off{_hint(said)}; if it never had one, {ASK}"


def _hint(said: str) -> str:
    """The reason that ffmpeg gave, if any."""
    found = _IMPOSSIBLE.search(said)
    return f" ({found[0].strip()})" if found else ""
