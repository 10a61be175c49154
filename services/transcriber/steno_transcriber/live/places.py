"""Places in the log from which a call can be read again. Pure."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

from steno.call_reader import CallReader
from steno.events.records import CallChannel, Role


@dataclass(frozen=True, slots=True, kw_only=True)
class CallFacts:
    """What may become known better while a call lasts."""

    channels: tuple[CallChannel, ...]
    locale: str
    properties: Mapping[str, str] = field(default_factory=dict)

    def role_of(self, channel: int) -> Role:
        """Who speaks on a channel."""
        return next((known.role for known in self.channels if known.channel == channel), Role.UNKNOWN)

    def corrected(self, channels: tuple[CallChannel, ...]) -> tuple[CallChannel, ...]:
        """The channels, with what is known better of some of them."""
        better = {channel.channel: channel for channel in channels}
        return tuple(better.get(channel.channel, channel) for channel in self.channels)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """What was known of a call when its record at `offset` was about to be read.

    Who reads from here hears the audio from the sample `exact_from` on as it was heard the first time.
    """

    offset: int
    exact_from: int
    #: How far the call was; a copy, with the clock as it stood.
    reader: CallReader
    facts: CallFacts


class Places:
    """The places of one call that may still be needed, from the oldest to the newest."""

    def __init__(self, first: Place, *, apart: int) -> None:
        """`apart`: within unbroken audio a place is kept after so many samples."""
        self._places = deque([first])
        self._apart = apart

    def keep(self, place: Place) -> None:
        """Keep a place."""
        self._places.append(place)

    def keep_only(self, place: Place) -> None:
        """Keep a place, and none before it."""
        self._places.clear()
        self._places.append(place)

    def due(self, position: int) -> bool:
        """Whether a place in the midst of audio should be kept."""
        return position - self._places[-1].reader.position >= self._apart

    def needed(self, position: int) -> Place:
        """The newest place from which the audio from `position` on can be heard again; older ones are forgotten.

        Before the oldest that is kept nothing was heard that counts.
        """
        newest_first = reversed(range(len(self._places)))
        needed = next((index for index in newest_first if self._places[index].exact_from <= position), 0)
        for _ in range(needed):
            self._places.popleft()
        return self._places[0]
