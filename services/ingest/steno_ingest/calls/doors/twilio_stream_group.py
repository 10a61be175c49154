"""Groups the streams of one call that come side by side, one a track: the first brings the call, the others add to it. Pure.

```
inbound  ── leader ────▶ StreamGroup ──▶ the call, all tracks
outbound ── follower ───────▲
```

A stream of a single track waits a moment for others before it offers its call, for the channels of a call do not change. When a
leader ends while a follower goes on, the follower leads on.
"""

from collections.abc import Mapping
from typing import Any

from steno_ingest.calls.doors.actions import Action, Unusable
from steno_ingest.calls.doors.twilio_messages import Start
from steno_ingest.calls.doors.twilio_tracks import Source, Tracks
from steno_ingest.calls.doors.twilio_values import BadMessage

GATHER_SECONDS = 0.5
"""How long a stream of a single track waits for others."""

_MOST_WAITING = 1_000
"""Messages that may wait, before a call is offered or while its leader is held back; half a second of two tracks has fifty."""


class StreamGroup:
    """The streams of one call, while its leader lasts."""

    def __init__(self, start: Start, *, until: float) -> None:
        """
        Args:
            start: Of the leader.
            until: How long others are waited for, by the monotonic clock.
        """
        self.start = start
        self.until = until
        #: The leader is gone.
        self.over = False
        #: A stream was lost before its end.
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
        """Whether as much waits as may."""
        return len(self._held) + len(self._ready) >= _MOST_WAITING

    def join(self, other: Start) -> bool:
        """Adds another stream, where the call is not offered yet and it brings tracks that none does."""
        joined = None if self.opened or self.over else self.start.joined(other)
        if joined is not None:
            self.start, self.until, self._streams = joined, 0, self._streams + 1
        return joined is not None

    def leave(self, *, torn: bool) -> None:
        """Handles that a follower is gone."""
        self.torn |= torn
        self._streams = 1
        if self._tracks is not None:
            self._tracks.expect_no_more()

    def hand_over(self, now: float) -> "StreamGroup":
        """Makes another stream the leader, as the first is gone: with what waits, or with a call that was offered already."""
        if self.opened:
            return StreamGroup(self.start, until=now)
        self.over, self.until = False, now
        return self

    def open(self) -> None:
        """Waits for no other stream: what has come is put together."""
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
        """Handles that time has passed."""
        if self._tracks is not None:
            self._ready += self._tracks.tick(now)

    def drain(self) -> list[Action]:
        """The actions ready since it was asked last."""
        ready, self._ready = self._ready, []
        return ready

    def flush(self) -> list[Action]:
        """The same, and what waits for another track."""
        if self._tracks is not None:
            self._ready += self._tracks.flush()
        return self.drain()

    def final_updates(self, *, unusable: int) -> list[Action]:
        """What is told of the call at its end."""
        return [] if self._tracks is None else self._tracks.final_updates(unusable=unusable)


class StreamGroups:
    """Keeps the groups that wait for further streams, by whose they are and the id of the call."""

    def __init__(self, *, gather_seconds: float = GATHER_SECONDS) -> None:
        self._gather_seconds = gather_seconds
        self._waiting: dict[tuple[str, str], StreamGroup] = {}

    def join(self, party: str, start: Start) -> StreamGroup | None:
        """Adds a stream to the group that waits for it; None where none does."""
        waiting = self._waiting.get((party, start.call.call_id))
        return waiting if waiting is not None and waiting.join(start) else None

    def begin(self, party: str, start: Start, now: float) -> StreamGroup:
        """Begins a group with its leader; one that brings all tracks waits for nobody."""
        waits = len(start.tracks) == 1 and self._gather_seconds > 0
        group = StreamGroup(start, until=now + self._gather_seconds if waits else now)
        if waits:
            self._waiting[party, start.call.call_id] = group
        return group

    def close(self, party: str, group: StreamGroup) -> None:
        """Has a group wait for nobody any more."""
        if self._waiting.get(key := (party, group.start.call.call_id)) is group:
            del self._waiting[key]
