"""One-legged audio: a channel on which nobody is ever heard while others speak. Pure.

Only the time counts in which somebody else is heard: a call on hold, or one in which both wait, has two good legs. A span is
told once, and ends when the channel is heard.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from steno.events.records import AudioCodec
from steno_ingest.calls.log.loudness import Loudness


@dataclass(slots=True)
class Leg:
    """One channel's part. Positions are samples of one channel."""

    #: Since when nobody is heard.
    quiet_from: int = 0
    #: How long others were heard meanwhile; -1 once that was told.
    others_heard: int = 0


class Legs:
    """All channels of a call."""

    def __init__(self, codec: AudioCodec, channels: int, *, samples: int, legs: list[Leg] | None = None) -> None:
        """
        Args:
            samples: How long others are heard before a silent channel is told.
            legs: Where it stood, to go on from.
        """
        self.legs = legs or [Leg() for _ in range(channels)]
        self._samples = samples
        self._loudness = Loudness(codec, channels)

    def listen(self, position: int, length: int, audio: bytes) -> Sequence[tuple[int, int]]:
        """Takes the next audio; gives the channels that count as silent from now on, each with the position since when."""
        if len(self.legs) < 2:
            return ()
        heard = self._loudness.heard(audio)
        if True not in heard:
            return ()
        silent = []
        end = position + length
        for channel, leg in enumerate(self.legs):
            if heard[channel]:
                leg.quiet_from = end
                leg.others_heard = 0
            elif leg.others_heard >= 0:
                leg.others_heard += length
                if leg.others_heard >= self._samples:
                    leg.others_heard = -1
                    silent.append((channel, leg.quiet_from))
        return silent
