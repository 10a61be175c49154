"""Decodes one track of audio from front to back; damaged or missing parts become silence, so that times stay right."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import av

from steno_transcriber.audio.errors import UnreadableAudio
from steno_transcriber.audio.ffmpeg_io import Opened, Source, library_errors
from steno_transcriber.audio.ogg_links import next_link
from steno_transcriber.audio.samples import Resampler, remap, slices
from steno_transcriber.audio.timeline import Timeline
from steno_transcriber.audio.wire_format import Block, Flaws, format_fault

TIMED = {"asf", "flac", "flv", "matroska", "mov", "mpeg", "mpegts", "ogg", "webm"}
"""Containers that say when a frame begins; for others ffmpeg counts, by bit rates that headers claim."""

FROM_ZERO = {"matroska", "mov", "webm"}
"""Those whose clock begins with the recording. That of others may begin anywhere, and their recording with its first frame."""

TAGS = {b"ID3", b"TAG", b"APE"}
"""How what is no audio begins, between two MP3 files that were joined."""

MOST_FAILURES = 10
"""How often in a row a container may meet damage before no more is looked for."""


class _Heard(NamedTuple):
    """A frame, its start by its timestamp, and the length that could not be decoded before it; in samples of the track."""

    lost: int
    begins: int | None
    frame: Any


class Track:
    """A track of audio, read once from front to back by `blocks()`."""

    def __init__(self, container: Any, stream: Any, source: Source, *, again: Callable[[int], Opened], name: str) -> None:
        """`again` opens the file once more, from an offset."""
        self._again = again
        self._name = name
        self._read_from(container, stream, source)
        codec = stream.codec_context
        codec.thread_count = 1
        self._channels: int = codec.channels
        self._rate: int = codec.sample_rate
        self._timed = not TIMED.isdisjoint(container.format.name.split(","))
        self._timeline = Timeline(self._rate)
        self._usual_length = 0
        self._good_packets = self._good_bytes = 0
        self._form: tuple[int, int] | None = None
        self._left_over = 0
        self._damaged = self._missing = self._changes = 0

    def _read_from(self, container: Any, stream: Any, source: Source) -> None:
        self._container, self._stream, self._source = container, stream, source
        self._tick = float(stream.time_base or 0)
        begins_anywhere = FROM_ZERO.isdisjoint(container.format.name.split(",")) and container.start_time
        #: Where its clock stands when its recording begins, seconds.
        self._origin = container.start_time / av.time_base if begins_anywhere else 0.0

    def length_in(self, rate: int) -> int:
        """The length decoded so far, in samples of a rate."""
        return self._timeline.position * rate // self._rate

    @property
    def flaws(self) -> Flaws:
        """The flaws found so far."""
        return Flaws(damaged_ms=self._ms(self._damaged), missing_ms=self._ms(self._missing), changes=self._changes)

    def blocks(self) -> Iterator[Block]:
        """Yield the audio in blocks of about a second, or less where it is wide, in constant memory; none if there is none.

        Raises:
            UnreadableAudio: the library failed.
        """
        with library_errors(self._source.file, lambda: f"{self._name} cannot be decoded"):
            yield from self._blocks()

    def _blocks(self) -> Iterator[Block]:
        resampler = Resampler(self._channels)
        for (lost, begins, frame), next_begins in _with_next(self._frames()):
            if frame is None:
                silence = self._timeline.add_loss(lost)
            else:
                self._note_form(frame)
                silence = self._timeline.place(self._length(frame), begins=begins, next_begins=next_begins, lost=lost)
            if silence.damaged:
                self._damaged += silence.samples
            else:
                self._missing += silence.samples
            if silence.samples:
                yield from resampler.put_silence(silence.samples, self._rate)
            if frame is not None:
                for piece in slices(frame, resampler.most(frame.sample_rate)):
                    yield from resampler.put(remap(piece, self._channels), frame.sample_rate)
        yield from resampler.end()

    def _frames(self) -> Iterator[_Heard]:
        """Gives the frames; the last entry may have no frame, only the length that was lost."""
        lost, heard = 0, False
        for packet in self._packets():
            try:
                frames = packet.decode()
            except av.error.FFmpegError:
                self._source.file.check()
                lost += self._lost_with(packet)
                continue
            self._good_packets += 1
            self._good_bytes += packet.size
            for frame in frames:
                if format_fault(frame.layout.nb_channels, frame.sample_rate):
                    lost += self._lost_with(packet)
                elif frame.samples:
                    yield _Heard(lost, self._begins(frame), frame)
                    lost, heard = 0, True
                    self._usual_length = frame.samples * self._rate // frame.sample_rate
        if lost and heard:
            yield _Heard(lost, None, None)

    def _packets(self) -> Iterator[Any]:
        """Gives the packets of the track, and goes on behind damage in the container."""
        failures = place = 0
        packets = self._container.demux(self._stream)
        while failures < MOST_FAILURES:
            try:
                packet = next(packets)
            except StopIteration:
                return
            except av.error.FFmpegError:
                self._source.file.check()
                failures += 1
                if self._container.format.name == "ogg" and (link := next_link(self._source.file, place)) is not None:
                    if not self._begin_link(link):
                        return
                    place = link
                packets = self._container.demux(self._stream)
            else:
                failures = 0
                place = self._source.base + packet.pos if packet.pos else place
                yield packet

    def _begin_link(self, place: int) -> bool:
        """Goes on with an appended Ogg file; ffmpeg does not where it has other channels or another codec."""
        try:
            container, source = self._again(place)
        except UnreadableAudio:
            return False
        if not container.streams.audio or container.streams.audio[0].codec_context is None:
            return False
        self._read_from(container, container.streams.audio[0], source)
        return True

    def _lost_with(self, packet: Any) -> int:
        """The length of a packet that cannot be decoded, taken from the last one that could.

        Where a stream has no frames but its own, what lies between two that can be found is one packet: by its size.
        """
        if bytes(packet)[:3] in TAGS:
            return 0
        if not self._usual_length:
            return max(0, int((packet.duration or 0) * self._tick * self._rate))
        packets = (
            1 if self._timed or not self._good_bytes else max(1, round(packet.size * self._good_packets / self._good_bytes))
        )
        return packets * self._usual_length

    def _begins(self, frame: Any) -> int | None:
        """The start of a frame by its timestamp, in samples from the start of the recording."""
        pts = frame.pts if self._timed else None
        return None if pts is None else round((pts * self._tick - self._origin) * self._rate)

    def _length(self, frame: Any) -> int:
        """The length of a frame in samples of the track; a fraction is carried to the next frame."""
        length, self._left_over = divmod(frame.samples * self._rate + self._left_over, frame.sample_rate)
        return int(length)

    def _note_form(self, frame: Any) -> None:
        form = frame.layout.nb_channels, frame.sample_rate
        if form != self._form:
            self._changes += self._form is not None
            self._form = form
            self._left_over = 0

    def _ms(self, samples: int) -> int:
        return samples * 1000 // self._rate


def _with_next(frames: Iterable[_Heard]) -> Iterator[tuple[_Heard, int | None]]:
    """Gives each frame with the start of the next one."""
    before: _Heard | None = None
    for heard in frames:
        if before is not None:
            yield before, heard.begins
        before = heard
    if before is not None:
        yield before, None
