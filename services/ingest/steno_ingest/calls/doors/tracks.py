"""Tracks of a call that come in messages of their own, interleaved into one stream of aligned channels. Pure.

```
inbound   ─ 20 ms ─ 20 ms ─┐        a timeline a track,            Audio (channels interleaved)
outbound  ─ 20 ms ─────────┴──▶     by timestamp              ──▶  Gap (nothing came on any track)
```

A frame's place is behind the frame before it, unless its timestamp says that time went by in between. What all tracks have
reached is given at once. A track that is behind is waited for until the stream is `PATIENCE_MS` past it; then its span is
filled with silence and counted in `filled`, and what still comes for that span is dropped and counted in `late`. A span in
which nothing came on any track is no silence but a gap.

Timestamps may be wrong, audio is not thrown away for it: a clock that runs back or jumps far ahead is set anew.
"""

import heapq
from collections import deque
from dataclasses import dataclass, field

from steno.events.records import GapReason
from steno_ingest.calls.doors.port import Audio, Gap

PATIENCE_MS = 200
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
    #: In samples since the stream's start, by its timestamp; None: right behind the one before.
    place: int | None = field(compare=False)
    audio: bytes = field(compare=False, repr=False)


@dataclass(slots=True)
class _Track:
    #: Timestamp, in samples, of the stream's start.
    origin: int = 0
    #: The track is settled up to here: audio, silence or gap.
    end: int = 0
    #: The last of it was no audio.
    filled: bool = True
    last_chunk: int | None = None
    late_run: int = 0
    arrived_at: float = 0
    #: Frames whose place is not known yet, by chunk.
    held: list[_Frame] = field(default_factory=list)
    #: Audio from the position given out on, in order, with where each piece starts.
    pieces: deque[tuple[int, bytes]] = field(default_factory=deque)


class Interleaver:
    """The tracks of one stream. One byte is one sample (G.711)."""

    def __init__(self, *, channels: int, silence: int, samples_per_ms: int = 8, ordered: bool = True) -> None:
        """
        Args:
            channels: Number of tracks; channel 0 comes first in every sample frame.
            silence: The byte that is silence in the codec.
            samples_per_ms: Of one channel.
            ordered: Frames of a track come in the order in which they were spoken; otherwise they are put in order by chunk.
        """
        self._tracks = [_Track() for _ in range(channels)]
        self._silence = silence
        self._per_ms = samples_per_ms
        self._ordered = ordered
        self._opened = False
        self._arrivals = 0
        self._given = 0
        #: Samples of silence put in for each channel.
        self.filled = [0] * channels
        #: Samples of each channel that came too late, or twice.
        self.late = [0] * channels

    @property
    def waiting(self) -> bool:
        """Whether something has come that is not given yet."""
        return any(track.held or track.pieces for track in self._tracks)

    def add(self, channel: int, audio: bytes, *, chunk: int | None, timestamp_ms: int | None, now: float) -> list[Audio | Gap]:
        """A frame of one track; gives what is ready.

        Args:
            channel: Whose it is.
            audio: Samples of this one channel.
            chunk: Number of the frame among those of its track, or of the stream; None where the peer does not count.
            timestamp_ms: When it was spoken; None where the peer does not say.
            now: Monotonic clock, in seconds.
        """
        track = self._tracks[channel]
        self._arrivals += 1
        place = None if timestamp_ms is None else timestamp_ms * self._per_ms
        frame = _Frame(self._arrivals if chunk is None else chunk, self._arrivals, place, audio)
        if self._opened:
            self._locate(track, frame, now)
        track.arrived_at = now
        heapq.heappush(track.held, frame)
        if not self._opened:
            if not self._may_open():
                return []
            self._open()
        return self._give(flush=False)

    def flush(self) -> list[Audio | Gap]:
        """Everything that has come, without waiting for anything more."""
        if not self._opened and self.waiting:
            self._open()
        return self._give(flush=True)

    def _may_open(self) -> bool:
        """The stream starts with the earliest frame, which need not be the first that comes."""
        if self._ordered and all(track.held for track in self._tracks):
            return True
        frames = [frame for track in self._tracks for frame in track.held]
        places = [frame.place for frame in frames if frame.place is not None]
        span = max(places) - min(places) if places else 0
        held = max(sum(len(frame.audio) for frame in track.held) for track in self._tracks)
        return max(span, held) >= PATIENCE_MS * self._per_ms

    def _open(self) -> None:
        self._opened = True
        firsts = [track.held[0].place for track in self._tracks if track.held]
        origin = min((place for place in firsts if place is not None), default=0)
        for track in self._tracks:
            track.origin = origin
            frames, track.held = sorted(track.held), []
            for frame in frames:
                self._locate(track, frame, track.arrived_at)
                heapq.heappush(track.held, frame)

    def _locate(self, track: _Track, frame: _Frame, now: float) -> None:
        """From a timestamp to a place in the stream, setting the track's clock anew where it cannot be right."""
        if frame.place is None:
            return
        place = frame.place - track.origin
        idle = int((now - track.arrived_at) * 1000) * self._per_ms
        if place > max(self._furthest(), track.end + idle) + _JUMP_MS * self._per_ms:
            track.origin += place - track.end
            place = track.end
        frame.place = place

    def _furthest(self) -> int:
        ends = [track.end for track in self._tracks]
        ends += [(frame.place or 0) + len(frame.audio) for track in self._tracks for frame in track.held]
        return max(ends)

    def _give(self, *, flush: bool) -> list[Audio | Gap]:
        channels = range(len(self._tracks))
        for channel in channels:
            self._place_following(channel)
        if flush:
            for channel in channels:
                self._place_held(channel, before=None)
            ready = max(track.end for track in self._tracks)
        else:
            ready = max(min(track.end for track in self._tracks), self._furthest() - PATIENCE_MS * self._per_ms)
            for channel in channels:
                self._place_held(channel, before=ready)
        for track in self._tracks:
            if track.end < ready:
                track.end, track.filled = ready, True
        return self._cut(ready)

    def _place_following(self, channel: int) -> None:
        track = self._tracks[channel]
        while track.held and (self._ordered or self._follows(track, track.held[0])):
            self._place(channel, heapq.heappop(track.held))

    def _place_held(self, channel: int, *, before: int | None) -> None:
        """What is held and lies before a position (None: all), giving up what is missing in between."""
        track = self._tracks[channel]
        while track.held and (before is None or (track.held[0].place or 0) < before or len(track.held) > _MOST_HELD):
            self._place(channel, heapq.heappop(track.held))
            self._place_following(channel)

    def _follows(self, track: _Track, frame: _Frame) -> bool:
        """Whether nothing can be missing between the track's end and this frame."""
        consecutive = track.last_chunk is not None and frame.chunk <= track.last_chunk + 1
        return consecutive or frame.place is None or frame.place - track.end <= len(frame.audio) // 2

    def _place(self, channel: int, frame: _Frame) -> None:
        track = self._tracks[channel]
        audio, length = frame.audio, len(frame.audio)
        if track.last_chunk is not None and frame.chunk <= track.last_chunk:
            self.late[channel] += length
            return
        consecutive = track.last_chunk is not None and frame.chunk == track.last_chunk + 1
        track.last_chunk = frame.chunk
        ahead = 0 if frame.place is None else frame.place - track.end
        if ahead < 0 and track.filled:
            audio = self._caught_up(channel, audio, -ahead)
            ahead = 0
        elif ahead < -_JITTER_MS * self._per_ms:
            track.origin += ahead
        slack = _JITTER_MS * self._per_ms if consecutive else length // 2
        start = track.end + ahead if track.filled or ahead > slack else track.end
        if audio:
            track.pieces.append((start, audio))
            track.end, track.filled, track.late_run = start + len(audio), False, 0

    def _caught_up(self, channel: int, audio: bytes, behind: int) -> bytes:
        """What is left of a frame whose place was filled before it came."""
        track = self._tracks[channel]
        if track.late_run >= _LATE_MS * self._per_ms:
            track.origin -= behind
            return audio
        missed = min(behind, len(audio))
        self.late[channel] += missed
        track.late_run += missed
        return audio[missed:]

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
            until = max(until, start + len(audio))
            if until >= ready:
                return ready
        return until

    def _interleaved(self, until: int) -> bytes:
        length, channels = until - self._given, len(self._tracks)
        frames = bytearray(length * channels)
        for channel, track in enumerate(self._tracks):
            mono, spoken = bytearray([self._silence]) * length, 0
            while track.pieces and track.pieces[0][0] < until:
                start, audio = track.pieces.popleft()
                taken, rest = audio[: until - start], audio[until - start :]
                mono[start - self._given : start - self._given + len(taken)] = taken
                spoken += len(taken)
                if rest:
                    track.pieces.appendleft((until, rest))
            self.filled[channel] += length - spoken
            frames[channel::channels] = mono
        return bytes(frames)
