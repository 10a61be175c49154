"""Detects by the times of its records whether a live call is sent faster than in real time. Pure.

The lead of a call is how much more audio of it has come than time has gone by since it began. A call that began somewhere else
keeps a lead of some seconds; one whose peer was away falls behind and catches up. What tells is a lead beyond the usual one.
"""

ALLOWED_SECONDS = 1.0
"""Beyond the usual lead: what a door or a network may hold back and let go at once."""

GROWTH = 0.1
"""By so much a second the usual lead follows one that stays, so that a call that was ahead once is not hurried for ever. A call
that is sent at the pace of a door, a quarter faster than it is spoken, is."""


class AudioLead:
    """The lead of the audio of one call over the elapsed time."""

    def __init__(self, *, elapsed: float, audio: float) -> None:
        """Of a call of which so many seconds of audio have come in so many seconds, as it was sent as it was spoken."""
        self._elapsed = elapsed
        self._usual = max(0.0, audio - elapsed)
        #: Whether audio comes faster than it is spoken.
        self.hurried = False

    def update(self, *, elapsed: float, audio: float) -> None:
        """Updates the elapsed time and the length of the audio, both since the call began, in seconds."""
        lead = audio - elapsed
        self._usual = min(max(lead, self._usual), self._usual + GROWTH * (elapsed - self._elapsed))
        self._elapsed = elapsed
        self.hurried = lead > self._usual + ALLOWED_SECONDS
