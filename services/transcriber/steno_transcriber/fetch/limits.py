"""Limits on fetching a recording: size, time, attempts and slowest speed. Pure.

Without a minimum speed, a server that sends a byte now and then would hold a slot for ever.
"""

from dataclasses import dataclass, field

_EACH_SECOND = 1 << 20
"""Each MiB that has come gives a second more, so that the time for a recording follows from its size."""


@dataclass(kw_only=True, slots=True)
class MinimumPace:
    """Checks the speed of one attempt against the minimum."""

    began: float
    window_seconds: float
    """The time over which the least is asked for."""
    least_bytes_per_second: float
    total_seconds: float
    """For the recording whole, but for what its size gives it."""
    received: int = 0
    _window_began: float = field(init=False)
    _window_received: int = 0

    def __post_init__(self) -> None:
        self._window_began = self.began

    def too_slow(self, count: int, now: float) -> str:
        """Counts more bytes; returns what is wrong with the speed, or an empty text."""
        self.received += count
        self._window_received += count
        if now - self.began > self.total_seconds + self.received / _EACH_SECOND:
            return f"has sent {self.received} bytes in {now - self.began:.0f} s and is not done"
        elapsed = now - self._window_began
        if elapsed < self.window_seconds:
            return ""
        if self._window_received < self.least_bytes_per_second * elapsed:
            return (
                f"sent {self._window_received} bytes in {elapsed:.0f} s, "
                f"and a server must send {self.least_bytes_per_second:.0f} a second at least"
            )
        self._window_began, self._window_received = now, 0
        return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchLimits:
    """Limits of fetching a recording; `give_up_seconds` and `missing_seconds` cover all attempts."""

    max_bytes: int
    connect_seconds: float
    read_seconds: float
    total_seconds: float
    attempts: int
    give_up_seconds: float
    least_bytes_per_second: int = 16_384
    missing_seconds: float = 0
    """For so long is asked again for what is not there yet."""

    @property
    def answer_seconds(self) -> float:
        """How long a server may take to begin its answer, redirects included, in seconds."""
        return self.connect_seconds + self.read_seconds

    def pace(self, now: float) -> MinimumPace:
        """Starts to measure the speed of a server."""
        return MinimumPace(
            began=now,
            window_seconds=self.read_seconds,
            least_bytes_per_second=self.least_bytes_per_second,
            total_seconds=self.total_seconds,
        )
