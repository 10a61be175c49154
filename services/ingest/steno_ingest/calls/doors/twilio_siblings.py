"""Streams of one call side by side, one a track: the first brings the call, the others give it what they hear. Pure.

```
inbound  ── leader ────▶ Gathering ──▶ the call, all tracks
outbound ── follower ──────▲
```

A stream of a single track waits a moment for others before it offers its call, for the channels of a call do not change. When a
leader ends while a follower goes on, the follower leads on.
"""

from collections.abc import Mapping
from typing import Any

from steno_ingest.calls.doors.actions import Action, Unusable
from steno_ingest.calls.doors.twilio_messages import Start
from steno_ingest.calls.doors.twilio_stream import Source, Tracks
from steno_ingest.calls.doors.twilio_values import BadMessage

GATHER_SECONDS = 0.5
"""How long a stream of a single track waits for others."""

_MOST_WAITING = 1_000
"""Messages that may wait, before a call is offered or while its leader is held back; half a second of two tracks has fifty."""


class Gathering:
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
        self._early: list[tuple[Source, Mapping[str, Any], str, float]] = []
        self._made: list[Action] = []

    @property
    def opened(self) -> bool:
        """Whether the call was offered."""
        return self._tracks is not None

    @property
    def full(self) -> bool:
        """Whether as much waits as may."""
        return len(self._early) + len(self._made) >= _MOST_WAITING

    def join(self, other: Start) -> bool:
        """Takes another stream in, where the call is not offered yet and it brings tracks that none does."""
        joined = None if self.opened or self.over else self.start.joined(other)
        if joined is not None:
            self.start, self.until, self._streams = joined, 0, self._streams + 1
        return joined is not None

    def left(self, *, torn: bool) -> None:
        """A follower is gone."""
        self.torn |= torn
        self._streams = 1
        if self._tracks is not None:
            self._tracks.one_left()

    def handed_over(self, now: float) -> "Gathering":
        """The leader is gone, and another stream leads on: with what waits, or with a call that was offered already."""
        if self.opened:
            return Gathering(self.start, until=now)
        self.over, self.until = False, now
        return self

    def open(self) -> None:
        """No other stream is waited for: what was heard is put together."""
        self._tracks = Tracks(self.start, streams=self._streams)
        early, self._early = self._early, []
        for source, message, event, now in early:
            try:
                self._made += self._tracks.receive(source, message, event, now)
            except BadMessage as error:
                self._made.append(Unusable(reason=error.reason, detail=str(error)))

    def hear(self, source: Source, message: Mapping[str, Any], event: str, now: float) -> None:
        """A message of one of the streams. Raises `BadMessage`."""
        if self._tracks is None:
            self._early.append((source, message, event, now))
        else:
            self._made += self._tracks.receive(source, message, event, now)

    def idle(self, now: float) -> None:
        """Time has passed."""
        if self._tracks is not None:
            self._made += self._tracks.idle(now)

    def take(self) -> list[Action]:
        """What came of what was heard."""
        made, self._made = self._made, []
        return made

    def flush(self) -> list[Action]:
        """The same, and what waits for another track."""
        if self._tracks is not None:
            self._made += self._tracks.flush()
        return self.take()

    def told_at_end(self, *, unusable: int) -> list[Action]:
        """What is known of the call in the end."""
        return [] if self._tracks is None else self._tracks.told_at_end(unusable=unusable)


class Siblings:
    """The streams that wait for others of their call, by whose they are and its id."""

    def __init__(self, *, gather_seconds: float = GATHER_SECONDS) -> None:
        self._gather_seconds = gather_seconds
        self._waiting: dict[tuple[str, str], Gathering] = {}

    def found(self, party: str, start: Start) -> Gathering | None:
        """The streams that another one joins."""
        waiting = self._waiting.get((party, start.call.call_id))
        return waiting if waiting is not None and waiting.join(start) else None

    def lead(self, party: str, start: Start, now: float) -> Gathering:
        """Begins a call; one of all tracks waits for nobody."""
        waits = len(start.tracks) == 1 and self._gather_seconds > 0
        gathering = Gathering(start, until=now + self._gather_seconds if waits else now)
        if waits:
            self._waiting[party, start.call.call_id] = gathering
        return gathering

    def done(self, party: str, gathering: Gathering) -> None:
        """Nobody is waited for any more."""
        if self._waiting.get(key := (party, gathering.start.call.call_id)) is gathering:
            del self._waiting[key]
