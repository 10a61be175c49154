"""Interleaves the tracks of a call, which come in messages of their own, into one stream of aligned channels. Pure.

```
inbound   ─ 20 ms ─ 20 ms ─┐        a timeline a track,            Audio (channels interleaved)
outbound  ─ 20 ms ─────────┴──▶     by timestamp              ──▶  Gap (nothing came on any track)
```

A frame's place is behind the frame before it, unless its timestamp says that time went by in between. What all tracks have
reached is given at once. A track that is behind is waited for until the stream is `MAX_WAIT_MS` past it; then its span is
filled with silence and counted in `filled`, and what still comes for that span is dropped and counted in `late`. A span in
which nothing came on any track is no silence but a gap.

Timestamps and numbers may be wrong, audio is not thrown away for it. Of a timestamp that jumps, the frame behind it, another
track or the time that went by has to say the same, or it does not count. A clock that does run back, or jumps far ahead, is
set anew. A number that runs back is a frame that comes again or too late, unless its timestamp says that it comes next.
"""

import heapq
from collections import deque
from dataclasses import dataclass, field

from steno.events.records import GapReason
from steno_ingest.calls.doors.actions import Audio, Gap
from steno_ingest.calls.doors.audio_format import AudioFormat

MAX_WAIT_MS = 200
"""How far the stream runs ahead of a track, or of a frame that is missing in one, before it is given up."""

_JITTER_MS = 100
"""Timestamps of consecutive frames may be off by this much before it counts as time that went by."""

_JUMP_MS = 10_000
"""A timestamp further ahead than this, of the other tracks and of the time since the last frame, is a clock set anew."""

_MOST_HELD = 100
"""Frames of a track that wait for one before them, whatever their timestamps say."""

_LATE_MS = 1_000
"""When a track has lost this much by being late, it is not late but shifted, and is taken as it comes."""


@dataclass(order=True, slots=True)
class _Frame:
    chunk: int
    arrival: int
    #: Its timestamp, in samples; None: right behind the one before.
    stamp: int | None = field(compare=False)
    #: As many samples as went by, on the clock, since the frame of its track that came before.
    idle: int = field(compare=False)
    samples: int = field(compare=False)
    audio: bytes = field(compare=False, repr=False)


@dataclass(slots=True)
class _Track:
    #: Timestamp, in samples, of the stream's start; None until there is one.
    origin: int | None = None
    #: The track is settled up to here: audio, silence or gap.
    end: int = 0
    #: The last of it was no audio.
    filled: bool = True
    last_chunk: int | None = None
    #: Number of the frame that came last.
    newest: int = 0
    late_run: int = 0
    arrived_at: float | None = None
    #: Frames whose place is not known yet, by chunk.
    held: list[_Frame] = field(default_factory=list)
    #: Audio from the position given out on, in order, with where each piece starts.
    pieces: deque[tuple[int, bytes]] = field(default_factory=deque)

    def place(self, frame: _Frame) -> int | None:
        """Where a frame stands by its timestamp, in samples since the stream's start; None: right behind the one before."""
        return None if frame.stamp is None or self.origin is None else frame.stamp - self.origin


class Interleaver:
    """Interleaves the tracks of one call."""

    def __init__(
        self, *, channels: int, audio_format: AudioFormat, ordered: bool = True, max_wait_ms: int = MAX_WAIT_MS
    ) -> None:
        """
        Args:
            channels: Number of tracks; channel 0 comes first in every sample frame.
            audio_format: How each track is coded.
            ordered: Frames of a track come in the order in which they were spoken; otherwise they are put in order by chunk.
            max_wait_ms: How far the stream runs ahead of a track before it is given up.
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
        #: Samples of silence put in for each channel.
        self.filled = [0] * channels
        #: Samples of each channel that came too late, or twice.
        self.late = [0] * channels
        #: Timestamps that nothing else agreed with.
        self.wrong_timestamps = 0

    @property
    def waiting(self) -> bool:
        """Whether something has come that is not given yet."""
        return any(track.held or track.pieces for track in self._tracks)

    def add(
        self, channel: int, audio: bytes, *, chunk: int | None, timestamp_ms: float | None, now: float
    ) -> list[Audio | Gap]:
        """Adds a frame of one track, and gives what is ready.

        Args:
            channel: Whose it is.
            audio: Whole samples of this one channel.
            chunk: Number of the frame among those of its track, or of the stream; None where the peer does not count.
            timestamp_ms: When it was spoken; None where the peer does not say.
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
        """Gives everything that has come, without waiting for anything more."""
        if not self._opened and self.waiting:
            self._open()
        return self._give(flush=True)

    def _may_open(self) -> bool:
        """The stream starts with the earliest frame, which need not be the first that comes."""
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
        """The timestamp of the stream's start, for all tracks that have none."""
        for track in self._tracks:
            track.origin = origin if track.origin is None else track.origin

    def _furthest(self) -> int:
        """How far the stream has come: whatever their timestamps say, frames that wait are as long as they are."""
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
        while track.held and self._sure(track, track.held[0]):
            self._place(channel, heapq.heappop(track.held))

    def _place_held(self, channel: int, *, before: int | None) -> None:
        """What is held and lies before a position (None: all), giving up what is missing in between."""
        track = self._tracks[channel]
        while track.held and (before is None or self._likely(track, track.held[0]) < before or len(track.held) > _MOST_HELD):
            self._place(channel, heapq.heappop(track.held))
            self._place_following(channel)

    def _sure(self, track: _Track, frame: _Frame) -> bool:
        """Whether it is known where the next frame of a track stands."""
        if not self._ordered and not self._follows(track, frame):
            return False
        return len(track.held) > 1 or not self._jumps(track, frame)

    def _follows(self, track: _Track, frame: _Frame) -> bool:
        """Whether nothing can be missing between the track's end and this frame."""
        place = track.place(frame)
        consecutive = track.last_chunk is not None and frame.chunk <= track.last_chunk + 1
        return consecutive or place is None or place - track.end <= frame.samples // 2

    def _jumps(self, track: _Track, frame: _Frame) -> bool:
        """Whether a frame's timestamp is off, and neither another track nor the time that went by says the same."""
        place, jitter = track.place(frame), self._samples_in(_JITTER_MS)
        if place is None:
            return False
        runs_back = not track.filled and place < track.end - jitter
        latest = max(track.end + frame.idle, *(other.end for other in self._tracks))
        return runs_back or place > latest + jitter

    def _likely(self, track: _Track, frame: _Frame) -> int:
        """Where a frame stands that waits, as far as is known."""
        place = track.place(frame)
        return track.end if place is None or self._jumps(track, frame) else place

    def _has_wrong_stamp(self, track: _Track, frame: _Frame) -> bool:
        """Whether a frame's timestamp jumps, and the frame behind it says otherwise: is before it, or where nothing jumped."""
        place, following = track.place(frame), track.place(track.held[0]) if track.held else None
        if place is None or following is None or not self._jumps(track, frame):
            return False
        after = place + frame.samples if place > track.end else None
        jitter = self._samples_in(_JITTER_MS)
        return following >= track.end - jitter if after is None else following < after - jitter

    def _is_repeated(self, track: _Track, frame: _Frame, place: int | None) -> bool:
        """Whether a frame has been taken already, or those behind it have; no track does so for long."""
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
        """Sets the clock of a track anew, so that what comes next stands at its end."""
        if track.origin is not None:
            track.origin += by
        return 0

    def _cut_late_part(self, channel: int, audio: bytes, behind: int) -> bytes:
        """What is left of a frame whose place was filled before it came."""
        track = self._tracks[channel]
        if track.late_run >= self._samples_in(_LATE_MS):
            self._shift(track, -behind)
            return audio
        missed = min(behind, len(audio) // self._width)
        self.late[channel] += missed
        track.late_run += missed
        return audio[missed * self._width :]

    def _cut(self, ready: int) -> list[Audio | Gap]:
        """What lies between what was given and `ready`, as runs of audio and of nothing."""
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
        """How far from here on there is audio on any track without a break."""
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
        # Views in whole samples: a step of one is a sample, whatever its bytes.
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
