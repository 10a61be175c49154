"""Plays audio to the peer of a call, in order and in real time; it can be stopped, and marks report what was played. Pure.

The peer gets audio a little ahead of time, so that a late tick causes no interruption. It gets not much, so that playback stops
soon even if the peer cannot discard what it has received.
"""

from collections import deque
from collections.abc import Callable

from steno.errors import Permanent
from steno_ingest.calls.doors.actions import Action
from steno_ingest.calls.doors.audio_format import AudioFormat
from steno_ingest.calls.doors.port import Player

_PIECE_MS = 100
_AHEAD_SECONDS = 0.4
"""How much audio the peer has ahead of time; ticks are a tenth of a second apart."""

_MOST_SECONDS = 300.0


class CannotPlay(Permanent):
    """Audio cannot be played to a peer; the message says why."""

    error_class = "cannot_play"


class Playback:
    """The playback to one peer. Times are seconds of a monotonic clock."""

    def __init__(self, player: Player, audio_format: AudioFormat) -> None:
        self._player = player
        self._format = audio_format
        #: Pieces of audio, and the names of marks.
        self._waiting: deque[bytes | str] = deque()
        self._waiting_seconds = 0.0
        #: When the peer will have played everything that was sent.
        self._played_at = 0.0
        self._marks = 0
        self._on_done: dict[str, Callable[[bool], None]] = {}

    def add(self, audio: bytes, on_done: Callable[[bool], None]) -> None:
        """Adds audio of one channel, in the format of the call, to the end of the queue.

        Args:
            audio: Whole samples.
            on_done: Called with True once the peer has played all of it, or with False if it was stopped before.

        Raises:
            CannotPlay: it is not a whole number of samples, or too much waits.
        """
        if len(audio) % self._format.sample_bytes:
            raise CannotPlay(f"{len(audio)} bytes are not a whole number of samples of {self._format.sample_bytes} bytes")
        seconds = self._format.seconds_of(audio)
        if (waiting := self._waiting_seconds + seconds) > _MOST_SECONDS:
            raise CannotPlay(f"{waiting:g} s of audio would wait, but the limit is {_MOST_SECONDS:g} s")
        size = self._format.samples_in(_PIECE_MS) * self._format.sample_bytes
        self._waiting.extend(audio[at : at + size] for at in range(0, len(audio), size))
        self._waiting_seconds += seconds
        self._marks += 1
        self._waiting.append(mark := str(self._marks))
        self._on_done[mark] = on_done

    def tick(self, now: float) -> list[Action]:
        """Returns the actions that are due."""
        self._played_at = max(self._played_at, now)
        actions: list[Action] = []
        while self._waiting:
            head = self._waiting[0]
            if isinstance(head, str):
                actions += self._player.mark(head, now=now)
            elif self._played_at - now < _AHEAD_SECONDS:
                seconds = self._format.seconds_of(head)
                self._played_at += seconds
                self._waiting_seconds -= seconds
                actions += self._player.play(head, now=now)
            else:
                break
            self._waiting.popleft()
        return actions

    def note_played(self, mark: str) -> None:
        """Records that the peer has played everything before a mark."""
        if (on_done := self._on_done.pop(mark, None)) is not None:
            on_done(True)

    def stop(self, now: float) -> list[Action]:
        """Stops playback: drops waiting audio, and lets the peer discard what it has not played."""
        if not self._on_done:
            return []
        self.drop()
        self._played_at = now
        return self._player.clear(now=now)

    def drop(self) -> None:
        """Drops waiting audio."""
        self._waiting.clear()
        self._waiting_seconds = 0.0
        stopped, self._on_done = self._on_done, {}
        for on_done in stopped.values():
            on_done(False)
