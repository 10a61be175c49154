"""Hands the audio of one stream to the Speech SDK, which takes it on a thread of its own.

Not pure: a lock that threads wait for, and their clock. What the SDK has not taken yet is what the engine is behind.

The SDK sends as fast as it is given audio, and gives a stream up once 60 s of its audio are not answered. So it is given audio
as fast as the service answers, and with half a minute unanswered no faster than twice the pace of speech, the SDK's own.
"""

import threading
import time
from collections.abc import Callable

import numpy as np

from steno_transcriber.speech import Samples

ROOM_SECONDS = 2.0
"""Audio that may wait for the SDK."""

AHEAD_SECONDS = 30.0
"""With more than this unanswered, audio is given at twice its pace at most."""


class AudioPipe:
    """The source of a pull stream of the SDK (`PullAudioInputStreamCallback`), with room for a little audio."""

    def __init__(self, *, bytes_per_second: int, taken: Callable[[int], None]) -> None:
        """
        Args:
            taken: Called on the SDK's thread with the bytes that it has taken so far, about every half second of audio.
        """
        self._per_second = bytes_per_second
        self._report_taken = taken
        self._changed = threading.Condition()
        self._waiting = bytearray()
        self._taken = self._answered = 0
        self._given_at = 0.0
        self._held = self._ended = self._over = False

    @property
    def full(self) -> bool:
        """Whether more is to wait."""
        with self._changed:
            return len(self._waiting) >= ROOM_SECONDS * self._per_second and not self._ended

    def put(self, audio: bytes) -> None:
        """Adds audio; none after its end."""
        with self._changed:
            if not self._ended:
                self._waiting += audio
                self._changed.notify()

    def note_answered(self, answered: int) -> None:
        """The service has answered what lies before so many bytes."""
        with self._changed:
            self._answered = max(self._answered, answered)
            self._changed.notify()

    def hold(self, held: bool) -> None:
        """Gives no audio while held."""
        with self._changed:
            self._held = held
            self._changed.notify()

    def end(self, *, at_once: bool = False) -> None:
        """Ends the audio, at once or behind what waits."""
        with self._changed:
            self._ended = True
            if at_once:
                self._over = True
                self._waiting.clear()
            self._changed.notify()

    def read(self, buffer: memoryview) -> int:
        """Fills the buffer and returns the number of bytes, fewer at the end alone. Blocks until then. Called by the SDK.

        A buffer that is not full would move the times of all that follows it (observed with version 1.53).
        """
        with self._changed:
            self._changed.wait_for(lambda: (len(self._waiting) >= len(buffer) and not self._held) or self._ended)
            pause = self._given_at + len(buffer) / self._per_second / 2 - time.monotonic()
            self._changed.wait_for(lambda: self._over or not self._far_ahead, timeout=max(0.0, pause))
            self._given_at = time.monotonic()
            count = min(len(buffer), len(self._waiting))
            buffer[:count] = self._waiting[:count]
            del self._waiting[:count]
            before, self._taken = self._taken, self._taken + count
            halves = [taken * 2 // self._per_second for taken in (before, self._taken)]
            taken = self._taken
        if halves[0] < halves[1]:
            self._report_taken(taken)
        return count

    @property
    def _far_ahead(self) -> bool:
        return self._taken - self._answered > AHEAD_SECONDS * self._per_second

    def get_property(self, _: object) -> str:
        """Nothing is known of the audio but its form. Called by the SDK."""
        return ""

    def close(self) -> None:
        """The SDK needs no more audio. Called by the SDK."""


def pcm16(samples: Samples) -> bytes:
    """Samples of shape (channels, samples) as 16-bit PCM, little endian, channels interleaved."""
    linear: np.ndarray[tuple[int, ...], np.dtype[np.int16]] = np.rint(samples.T * 32768.0).clip(-32768, 32767).astype("<i2")
    return linear.tobytes()
