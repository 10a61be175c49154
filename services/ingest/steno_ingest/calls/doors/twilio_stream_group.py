"""Joins simultaneous streams of a call, each with one track: the first one offers the call, the others add tracks. Pure.

```
inbound  ── leader ────▶ StreamGroup ──▶ the call, all tracks
outbound ── follower ───────▲
```

A stream with a single track waits a moment for others before it offers its call, because the channels of a call cannot change.
If the leader ends before a follower, the follower becomes the leader.
"""

from collections.abc import Mapping
from typing import Any

from steno_ingest.calls.doors.actions import Action, Unusable
from steno_ingest.calls.doors.twilio_messages import Start
from steno_ingest.calls.doors.twilio_tracks import Source, Tracks
from steno_ingest.calls.doors.twilio_values import BadMessage

GATHER_SECONDS = 0.5
"""How long a stream with a single track waits for others."""

_MOST_WAITING = 1_000
"""How many messages may wait, before the offer or while the leader is not read; half a second of two tracks has fifty."""


class StreamGroup:
    """The streams of one call, until its leader ends."""

    def __init__(self, start: Start, *, until: float) -> None:
        """
        Args:
            start: The start of the leader.
            until: Until when to wait for others, by the monotonic clock.
        """
        self.start = start
        self.until = until
        #: Whether the leader has ended.
        self.over = False
        #: Whether a stream was lost before its end.
        self.torn = False
        self._tracks: Tracks | None = None
        self._streams = 1
        self._held: list[tuple[Source, Mapping[str, Any], str, float]] = []
        self._ready: list[Action] = []

    @property
    def opened(self) -> bool:
        """Whether the call was offered."""
        return self._tracks is not None

    @property
    def full(self) -> bool:
        """Whether the limit of waiting messages is reached."""
        return len(self._held) + len(self._ready) >= _MOST_WAITING

    def join(self, other: Start) -> bool:
        """Adds another stream if the call is not offered yet and the stream has other tracks; returns whether it did."""
        joined = None if self.opened or self.over else self.start.joined(other)
        if joined is not None:
            self.start, self.until, self._streams = joined, 0, self._streams + 1
        return joined is not None

    def leave(self, *, torn: bool) -> None:
        """Handles the end of a follower."""
        self.torn |= torn
        self._streams = 1
        if self._tracks is not None:
            self._tracks.expect_no_more()

    def hand_over(self, now: float) -> "StreamGroup":
        """Makes another stream the leader after the first one has ended; returns the group of the new leader."""
        if self.opened:
            return StreamGroup(self.start, until=now)
        self.over, self.until = False, now
        return self

    def open(self) -> None:
        """Stops waiting for other streams, and handles the messages that waited."""
        self._tracks = Tracks(self.start, streams=self._streams)
        early, self._held = self._held, []
        for source, message, event, now in early:
            try:
                self._ready += self._tracks.receive(source, message, event, now)
            except BadMessage as error:
                self._ready.append(Unusable(reason=error.reason, detail=str(error)))

    def handle(self, source: Source, message: Mapping[str, Any], event: str, now: float) -> None:
        """Handles a message of one of the streams. Raises `BadMessage`."""
        if self._tracks is None:
            self._held.append((source, message, event, now))
        else:
            self._ready += self._tracks.receive(source, message, event, now)

    def tick(self, now: float) -> None:
        """Handles the passage of time."""
        if self._tracks is not None:
            self._ready += self._tracks.tick(now)

    def drain(self) -> list[Action]:
        """Returns the actions since the last call."""
        ready, self._ready = self._ready, []
        return ready

    def flush(self) -> list[Action]:
        """Returns the actions since the last call, and audio that waits for another track."""
        if self._tracks is not None:
            self._ready += self._tracks.flush()
        return self.drain()

    def final_updates(self, *, unusable: int) -> list[Action]:
        """Returns the last updates of the call."""
        return [] if self._tracks is None else self._tracks.final_updates(unusable=unusable)


class StreamGroups:
    """The groups that wait for further streams, by owner and call id."""

    def __init__(self, *, gather_seconds: float = GATHER_SECONDS) -> None:
        self._gather_seconds = gather_seconds
        self._waiting: dict[tuple[str, str], StreamGroup] = {}

    def join(self, owner: str, start: Start) -> StreamGroup | None:
        """Adds a stream to the waiting group of its call; returns None if there is none."""
        waiting = self._waiting.get((owner, start.call.call_id))
        return waiting if waiting is not None and waiting.join(start) else None

    def begin(self, owner: str, start: Start, now: float) -> StreamGroup:
        """Begins a group with its leader; a leader with all tracks does not wait."""
        waits = len(start.tracks) == 1 and self._gather_seconds > 0
        group = StreamGroup(start, until=now + self._gather_seconds if waits else now)
        if waits:
            self._waiting[owner, start.call.call_id] = group
        return group

    def close(self, owner: str, group: StreamGroup) -> None:
        """Stops a group from waiting for further streams."""
        if self._waiting.get(key := (owner, group.start.call.call_id)) is group:
            del self._waiting[key]
