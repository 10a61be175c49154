"""The time limits of a peer: for silence, for offering a call, for leaving, and for staying after its call. Pure."""

from enum import StrEnum

LEAVE_SECONDS = 5.0
"""How long a peer may take to leave after a request."""

_AFTER_END_SECONDS = 60.0
"""How long a peer may stay connected after the end of its call; doors close it sooner."""

_OFFER_SECONDS = 60.0
"""How long a peer may be connected without a call, since it occupies a connection that calls need."""


class Overdue(StrEnum):
    """The reasons for cutting off a peer."""

    IDLE = "idle"
    NO_CALL = "no_call"
    NOT_CLOSING = "not_closing"


class Deadlines:
    """The deadlines of one peer; times are seconds of a monotonic clock."""

    def __init__(self, *, idle_seconds: float, now: float) -> None:
        """`idle_seconds`: how long the peer may be silent before it counts as lost."""
        self._idle_seconds = idle_seconds
        #: Time of the last message or heartbeat; None while nothing is read from the peer.
        self._heard_at: float | None = now
        #: The time by which a call must be offered; None once it was.
        self._offer_by: float | None = now + _OFFER_SECONDS
        self._over_since: float | None = None
        self._leave_by: float | None = None

    def note_heartbeat(self, now: float) -> None:
        """Records a heartbeat of the peer."""
        if self._heard_at is not None:
            self._heard_at = now

    def stop_reading(self) -> None:
        """Records that nothing is read from the peer for now, so that it does not count as silent."""
        self._heard_at = None

    def resume_reading(self, now: float) -> None:
        """Records that the peer is read again."""
        self._heard_at = now

    def silent_seconds(self, now: float) -> float:
        """How long the peer has been silent; 0 while nothing is read from it."""
        return 0.0 if self._heard_at is None else now - self._heard_at

    def note_call(self) -> None:
        """Records that the peer has offered a call."""
        self._offer_by = None

    def note_over(self, now: float) -> None:
        """Records that its call has ended."""
        if self._over_since is None:
            self._over_since = now

    @property
    def leaving(self) -> bool:
        """Whether the peer was asked to leave."""
        return self._leave_by is not None

    def leave_within(self, seconds: float, now: float) -> None:
        """Records that the peer was asked to leave, and the time limit."""
        self._leave_by = now + seconds

    def note_closing(self, now: float) -> None:
        """Records that the connection is being closed, which the peer must answer."""
        if self._leave_by is None:
            self._leave_by = now + LEAVE_SECONDS

    def overdue(self, now: float) -> tuple[Overdue, str] | None:
        """Returns a reason for cutting off the peer, with an explanation for a person, or None."""
        if self.silent_seconds(now) > self._idle_seconds:
            return Overdue.IDLE, f"nothing was received for {self._idle_seconds:g} s"
        if self._offer_by is not None and now > self._offer_by:
            return Overdue.NO_CALL, f"no call was offered within {_OFFER_SECONDS:g} s"
        return None

    def outstays_call(self, now: float) -> bool:
        """Whether the peer has stayed too long after the end of its call."""
        return self._over_since is not None and now - self._over_since > _AFTER_END_SECONDS

    def should_have_left(self, now: float) -> bool:
        """Whether the time to leave is over; returns True once."""
        if self._leave_by is None or now <= self._leave_by:
            return False
        self._leave_by = None
        return True
