"""The deadlines of a peer: how long it may be silent, be without a call, take to leave, or outstay its call. Pure."""

from enum import StrEnum

LEAVE_SECONDS = 5.0
"""How long a peer that was asked to leave may take."""

_AFTER_END_SECONDS = 60.0
"""How long a peer may stay behind the end of its call; doors end it sooner."""

_OFFER_SECONDS = 60.0
"""How long a peer may be there without a call: it has a place that calls need."""


class Overdue(StrEnum):
    """What a peer is cut off for."""

    IDLE = "idle"
    NO_CALL = "no_call"
    NOT_CLOSING = "not_closing"


class Deadlines:
    """The deadlines of one peer; times are seconds of a monotonic clock."""

    def __init__(self, *, idle_seconds: float, now: float) -> None:
        """`idle_seconds`: after so long without a sign of life the peer counts as lost."""
        self._idle_seconds = idle_seconds
        #: When the peer was last heard; None while it is not listened to.
        self._heard_at: float | None = now
        #: Until when a call has to be brought; None once it was.
        self._offer_by: float | None = now + _OFFER_SECONDS
        self._over_since: float | None = None
        self._leave_by: float | None = None

    def hear(self, now: float) -> None:
        """Notes a sign of life."""
        if self._heard_at is not None:
            self._heard_at = now

    def stop_listening(self) -> None:
        """Notes that nothing is read of the peer for now, so that it is not silent."""
        self._heard_at = None

    def listen(self, now: float) -> None:
        """Notes that the peer is listened to again."""
        self._heard_at = now

    def silent_seconds(self, now: float) -> float:
        """How long nothing came of the peer; 0 while it is not listened to."""
        return 0.0 if self._heard_at is None else now - self._heard_at

    def note_call(self) -> None:
        """Notes that the peer brought a call."""
        self._offer_by = None

    def note_over(self, now: float) -> None:
        """Notes that its call is over."""
        if self._over_since is None:
            self._over_since = now

    @property
    def leaving(self) -> bool:
        """Whether the peer was asked to leave."""
        return self._leave_by is not None

    def leave_within(self, seconds: float, now: float) -> None:
        """Notes that the peer was asked to leave."""
        self._leave_by = now + seconds

    def note_closing(self, now: float) -> None:
        """Notes that the connection is being closed, which the peer has to answer."""
        if self._leave_by is None:
            self._leave_by = now + LEAVE_SECONDS

    def overdue(self, now: float) -> tuple[Overdue, str] | None:
        """What the peer is to be cut off for, and why for a person."""
        if self.silent_seconds(now) > self._idle_seconds:
            return Overdue.IDLE, f"nothing came for {self._idle_seconds:g} s"
        if self._offer_by is not None and now > self._offer_by:
            return Overdue.NO_CALL, f"no call was brought within {_OFFER_SECONDS:g} s"
        return None

    def outstays_call(self, now: float) -> bool:
        """Whether the peer has stayed for too long behind the end of its call."""
        return self._over_since is not None and now - self._over_since > _AFTER_END_SECONDS

    def should_have_left(self, now: float) -> bool:
        """Whether the time to leave is over; told once."""
        if self._leave_by is None or now <= self._leave_by:
            return False
        self._leave_by = None
        return True
