"""Interleaves the tracks of a call, which come in separate messages, into one stream of aligned channels. Pure.

```
inbound   ─ 20 ms ─ 20 ms ─┐        a timeline per track,          Audio (channels interleaved)
outbound  ─ 20 ms ─────────┴──▶     by timestamp              ──▶  Gap (no audio on any track)
```

The place of a frame is right after the previous frame, unless its timestamp shows that time has passed in between. Audio that
all tracks have reached is returned immediately. The interleaver waits for a track that is behind until the stream is
`MAX_WAIT_MS` past it; then it fills the track with silence and counts that in `filled`; audio that still comes for that time is
dropped and counted in `late`. A time without audio on any track is a gap, not silence.

Timestamps and numbers may be wrong, and no audio is dropped for that. A timestamp that jumps is ignored unless the next frame,
another track or the elapsed time confirms it. A clock that really runs back or jumps far ahead is reset. A frame whose number
runs back is repeated or late, unless its timestamp shows that it is the next one.
"""

import heapq
from collections import deque
from dataclasses import dataclass, field

from steno.events.records import GapReason
from steno_ingest.calls.doors.actions import Audio, Gap
from steno_ingest.calls.doors.audio_format import AudioFormat

MAX_WAIT_MS = 200
"""How far the stream may be ahead of a track, or of a missing frame, before it waits no longer."""

_JITTER_MS = 100
"""The deviation of a timestamp from the end of the previous frame that is not taken as elapsed time."""

_JUMP_MS = 10_000
"""A timestamp that is further ahead of the other tracks and of the elapsed time than this is a reset clock."""

_MOST_HELD = 100
"""How many frames of a track may wait for an earlier one, whatever their timestamps."""

_LATE_MS = 1_000
"""A track that has lost this much by being late counts as shifted instead, and its clock is reset."""


@dataclass(order=True, slots=True)
class _Frame:
    chunk: int
    arrival: int
    #: Its timestamp, in samples; None: right after the previous frame.
    stamp: int | None = field(compare=False)
    #: The elapsed time since the previous frame of its track, in samples.
    idle: int = field(compare=False)
    samples: int = field(compare=False)
    audio: bytes = field(compare=False, repr=False)


@dataclass(slots=True)
class _Track:
    #: The timestamp of the stream's start, in samples; None until there is one.
    origin: int | None = None
    #: The end of the placed part: audio, silence or gap.
    end: int = 0
    #: Whether that part ends without audio.
    filled: bool = True
    last_chunk: int | None = None
    #: The number of the last received frame.
    newest: int = 0
    late_run: int = 0
    arrived_at: float | None = None
    #: Frames that are not placed yet, by number.
    held: list[_Frame] = field(default_factory=list)
    #: Placed audio that was not returned yet, in order, each piece with its start.
    pieces: deque[tuple[int, bytes]] = field(default_factory=deque)

    def place(self, frame: _Frame) -> int | None:
        """Returns a frame's place by its timestamp, in samples since the stream's start; None: right after the last one."""
        return None if frame.stamp is None or self.origin is None else frame.stamp - self.origin


class Interleaver:
    """Interleaves the tracks of one call."""

    def __init__(
        self, *, channels: int, audio_format: AudioFormat, ordered: bool = True, max_wait_ms: int = MAX_WAIT_MS
    ) -> None:
        """
        Args:
            channels: Number of tracks; channel 0 comes first in every sample frame.
            audio_format: The audio format of each track.
            ordered: Whether the frames of a track come in order; otherwise they are sorted by number.
            max_wait_ms: How far the stream may be ahead of a track before it waits no longer.
        """
        self._tracks = [_Track() for _ in range(channels)]
        self._silence = audio_format.silence
        self._width = audio_format.sample_bytes
        self._samples_in = audio_format.samples_in
        self._ordered = ordered
        self.max_wait_ms = max_wait_ms
        self._opened = False
        self._arrivals = 0
        self._given = 0
        #: The number of samples of each channel that were filled with silence.
        self.filled = [0] * channels
        #: The number of samples of each channel that came too late or twice.
        self.late = [0] * channels
        #: The number of ignored timestamps.
        self.wrong_timestamps = 0

    @property
    def waiting(self) -> bool:
        """Whether there is audio that was not returned yet."""
        return any(track.held or track.pieces for track in self._tracks)

    def add(
        self, channel: int, audio: bytes, *, chunk: int | None, timestamp_ms: float | None, now: float
    ) -> list[Audio | Gap]:
        """Adds a frame of one track; returns the audio that is ready.

        Args:
            channel: The channel of the track.
            audio: Whole samples of this channel.
            chunk: The number of the frame within its track or the stream; None if the peer does not number frames.
            timestamp_ms: Its timestamp; None if the peer does not send one.
            now: Monotonic clock, in seconds.
        """
        track = self._tracks[channel]
        self._arrivals += 1
        track.newest = track.newest + 1 if chunk is None else chunk
        frame = _Frame(
            chunk=track.newest,
            arrival=self._arrivals,
            stamp=None if timestamp_ms is None else self._samples_in(timestamp_ms),
            idle=0 if track.arrived_at is None else self._samples_in((now - track.arrived_at) * 1000),
            samples=len(audio) // self._width,
            audio=audio,
        )
        track.arrived_at = now
        heapq.heappush(track.held, frame)
        if not self._opened:
            if not self._may_open():
                return []
            self._open()
        return self._give(flush=False)

    def flush(self) -> list[Audio | Gap]:
        """Returns all remaining audio without waiting."""
        if not self._opened and self.waiting:
            self._open()
        return self._give(flush=True)

    def _may_open(self) -> bool:
        """Whether the earliest frame is known, with which the stream starts; it may not be the first received one."""
        if self._ordered and all(track.held for track in self._tracks):
            return True
        stamps = [frame.stamp for track in self._tracks for frame in track.held if frame.stamp is not None]
        span = max(stamps) - min(stamps) if stamps else 0
        held = max(sum(frame.samples for frame in track.held) for track in self._tracks)
        return max(span, held) >= self._samples_in(self.max_wait_ms)

    def _open(self) -> None:
        self._opened = True
        firsts = [track.held[0].stamp for track in self._tracks if track.held]
        self._set_clock(min((stamp for stamp in firsts if stamp is not None), default=None))

    def _set_clock(self, origin: int | None) -> None:
        """Sets the timestamp of the stream's start for all tracks without one."""
        for track in self._tracks:
            track.origin = origin if track.origin is None else track.origin

    def _furthest(self) -> int:
        """Returns the end of the stream; waiting frames count by their length, whatever their timestamps."""
        return max(track.end + sum(frame.samples for frame in track.held) for track in self._tracks)

    def _give(self, *, flush: bool) -> list[Audio | Gap]:
        channels = range(len(self._tracks))
        for channel in channels:
            self._place_following(channel)
        if flush:
            for channel in channels:
                self._place_held(channel, before=None)
            ready = max(track.end for track in self._tracks)
        else:
            ready = max(min(track.end for track in self._tracks), self._furthest() - self._samples_in(self.max_wait_ms))
            for channel in channels:
                self._place_held(channel, before=ready)
        for track in self._tracks:
            if track.end < ready:
                track.end, track.filled = ready, True
        return self._cut(ready)

    def _place_following(self, channel: int) -> None:
        track = self._tracks[channel]
        while track.held and self._place_is_certain(track, track.held[0]):
            self._place(channel, heapq.heappop(track.held))

    def _place_held(self, channel: int, *, before: int | None) -> None:
        """Places the waiting frames before a position (None: all), without waiting for missing frames."""
        track = self._tracks[channel]
        while track.held and (
            before is None or self._probable_place(track, track.held[0]) < before or len(track.held) > _MOST_HELD
        ):
            self._place(channel, heapq.heappop(track.held))
            self._place_following(channel)

    def _place_is_certain(self, track: _Track, frame: _Frame) -> bool:
        """Whether the place of the next frame of a track is certain."""
        if not self._ordered and not self._follows(track, frame):
            return False
        return len(track.held) > 1 or not self._jumps(track, frame)

    def _follows(self, track: _Track, frame: _Frame) -> bool:
        """Whether no frame can be missing between the end of the track and a frame."""
        place = track.place(frame)
        consecutive = track.last_chunk is not None and frame.chunk <= track.last_chunk + 1
        return consecutive or place is None or place - track.end <= frame.samples // 2

    def _jumps(self, track: _Track, frame: _Frame) -> bool:
        """Whether a frame's timestamp jumps, and neither another track nor the elapsed time confirms it."""
        place, jitter = track.place(frame), self._samples_in(_JITTER_MS)
        if place is None:
            return False
        runs_back = not track.filled and place < track.end - jitter
        latest = max(track.end + frame.idle, *(other.end for other in self._tracks))
        return runs_back or place > latest + jitter

    def _probable_place(self, track: _Track, frame: _Frame) -> int:
        """Returns the probable place of a waiting frame."""
        place = track.place(frame)
        return track.end if place is None or self._jumps(track, frame) else place

    def _has_wrong_stamp(self, track: _Track, frame: _Frame) -> bool:
        """Whether a frame's timestamp jumps, and that of the next frame contradicts it."""
        place, following = track.place(frame), track.place(track.held[0]) if track.held else None
        if place is None or following is None or not self._jumps(track, frame):
            return False
        after = place + frame.samples if place > track.end else None
        jitter = self._samples_in(_JITTER_MS)
        return following >= track.end - jitter if after is None else following < after - jitter

    def _is_repeated(self, track: _Track, frame: _Frame, place: int | None) -> bool:
        """Whether a frame, or a later one, was placed already. A track that is late for long is not treated so."""
        if track.last_chunk is None or frame.chunk > track.last_chunk or track.late_run >= self._samples_in(_LATE_MS):
            return False
        return place is None or place < track.end - frame.samples // 2

    def _place(self, channel: int, frame: _Frame) -> None:
        track = self._tracks[channel]
        audio, place, jitter = frame.audio, track.place(frame), self._samples_in(_JITTER_MS)
        if self._is_repeated(track, frame, place):
            self.late[channel] += frame.samples
            track.late_run += frame.samples
            return
        if self._has_wrong_stamp(track, frame):
            self.wrong_timestamps += 1
            place = None
        elif frame.stamp is not None:
            self._set_clock(frame.stamp - track.end)
        consecutive = track.last_chunk is not None and frame.chunk == track.last_chunk + 1
        track.last_chunk = frame.chunk
        ahead = 0 if place is None else place - track.end
        if ahead > max(self._furthest() - track.end, frame.idle) + self._samples_in(_JUMP_MS):
            ahead = self._shift(track, ahead)
        elif ahead < 0 and track.filled:
            audio = self._cut_late_part(channel, audio, -ahead)
            ahead = 0
        elif ahead < -jitter:
            ahead = self._shift(track, ahead)
        slack = jitter if consecutive else frame.samples // 2
        start = track.end + ahead if track.filled or ahead > slack else track.end
        if audio:
            track.pieces.append((start, audio))
            track.end, track.filled, track.late_run = start + len(audio) // self._width, False, 0

    def _shift(self, track: _Track, by: int) -> int:
        """Resets the clock of a track, so that the next frame is placed at its end."""
        if track.origin is not None:
            track.origin += by
        return 0

    def _cut_late_part(self, channel: int, audio: bytes, behind: int) -> bytes:
        """Returns the remaining part of a frame whose beginning came after its place was filled."""
        track = self._tracks[channel]
        if track.late_run >= self._samples_in(_LATE_MS):
            self._shift(track, -behind)
            return audio
        missed = min(behind, len(audio) // self._width)
        self.late[channel] += missed
        track.late_run += missed
        return audio[missed * self._width :]

    def _cut(self, ready: int) -> list[Audio | Gap]:
        """Returns what is between the returned part and `ready`, as runs of audio and gaps."""
        given: list[Audio | Gap] = []
        while self._given < ready:
            starts = [track.pieces[0][0] for track in self._tracks if track.pieces]
            first = min(starts, default=ready)
            if first > self._given:
                until = min(first, ready)
                given.append(Gap(length=until - self._given, reason=GapReason.LOST))
            else:
                until = self._covered(ready)
                given.append(Audio(data=self._interleaved(until)))
            self._given = until
        return given

    def _covered(self, ready: int) -> int:
        """Returns up to where there is audio on any track without a break."""
        until = self._given
        for start, audio in heapq.merge(*(track.pieces for track in self._tracks)):
            if start > until:
                break
            until = max(until, start + len(audio) // self._width)
            if until >= ready:
                return ready
        return until

    def _interleaved(self, until: int) -> bytes:
        length, width, channels = until - self._given, self._width, len(self._tracks)
        frames = bytearray(length * width * channels)
        # Views with one item per sample, whatever its size in bytes.
        samples = _in_samples(frames, width)
        for channel, track in enumerate(self._tracks):
            mono, spoken = bytearray(self._silence * length), 0
            while track.pieces and track.pieces[0][0] < until:
                start, audio = track.pieces.popleft()
                taken, rest = audio[: (until - start) * width], audio[(until - start) * width :]
                at = (start - self._given) * width
                mono[at : at + len(taken)] = taken
                spoken += len(taken) // width
                if rest:
                    track.pieces.appendleft((until, rest))
            self.filled[channel] += length - spoken
            samples[channel::channels] = _in_samples(mono, width)
        return bytes(frames)


def _in_samples(audio: bytearray, width: int) -> memoryview:
    return memoryview(audio).cast("B") if width == 1 else memoryview(audio).cast("H")
