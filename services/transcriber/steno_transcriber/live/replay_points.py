"""Replay points: places in the log of a call from which it can be read again. Pure."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

from steno.call_reader import CallReader
from steno.events.records import CallChannel, Role


@dataclass(frozen=True, slots=True, kw_only=True)
class CallFacts:
    """What may change or be corrected during a call: roles, locale, properties."""

    channels: tuple[CallChannel, ...]
    locale: str
    properties: Mapping[str, str] = field(default_factory=dict)

    def role_of(self, channel: int) -> Role:
        """The role of the speaker on a channel."""
        return next((known.role for known in self.channels if known.channel == channel), Role.UNKNOWN)

    def corrected(self, channels: tuple[CallChannel, ...]) -> tuple[CallChannel, ...]:
        """The channels, with what is known better of some of them."""
        better = {channel.channel: channel for channel in channels}
        return tuple(better.get(channel.channel, channel) for channel in self.channels)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayPoint:
    """The state of a call before its record at `offset`.

    Who reads from here hears the audio from the sample `exact_from` on as it was heard the first time.
    """

    offset: int
    exact_from: int
    #: How far the call was; a copy, with the clock as it stood.
    reader: CallReader
    facts: CallFacts


class ReplayPoints:
    """The places of one call that may still be needed, from the oldest to the newest."""

    def __init__(self, first: ReplayPoint, *, apart: int) -> None:
        """`apart`: within unbroken audio a place is kept after so many samples."""
        self._replay_points = deque([first])
        self._apart = apart

    def keep(self, place: ReplayPoint) -> None:
        """Keep a place."""
        self._replay_points.append(place)

    def keep_only(self, place: ReplayPoint) -> None:
        """Keep a place, and none before it."""
        self._replay_points.clear()
        self._replay_points.append(place)

    def due(self, position: int) -> bool:
        """Whether a place in the midst of audio should be kept."""
        return position - self._replay_points[-1].reader.position >= self._apart

    def needed(self, position: int) -> ReplayPoint:
        """The newest place from which the audio from `position` on can be heard again; older ones are forgotten.

        Before the oldest that is kept nothing was heard that counts.
        """
        newest_first = reversed(range(len(self._replay_points)))
        needed = next((index for index in newest_first if self._replay_points[index].exact_from <= position), 0)
        for _ in range(needed):
            self._replay_points.popleft()
        return self._replay_points[0]
