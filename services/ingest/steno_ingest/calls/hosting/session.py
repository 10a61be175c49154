"""A session converts the inputs of one call, from its door and the API, into the records of the call log. Pure.

```
new ──start──▶ running ──end──▶ ended
```

Audio is cut into chunks whose borders depend on its position only: each multiple of the chunk length is a border, besides
interruptions of the audio (a pause, a gap, the end). So the frames of the peer do not matter, and a call that is resumed in
another process, from the last acknowledged position, is cut into the same chunks.

While the pause gate (`gate`) is closed, audio and key presses are dropped, and only the position advances.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from steno.call_clock import most_missing
from steno.errors import Permanent
from steno.events.properties import PropertiesTooLarge, merged
from steno.events.records import (
    MASKED_DIGIT,
    AudioChunk,
    AudioGap,
    CallChannel,
    CallEnded,
    CallPaused,
    CallResumed,
    CallStarted,
    CallUpdated,
    DtmfPressed,
    GapReason,
    Record,
    RolesCorrected,
)
from steno_ingest.calls.doors.actions import ResumePoint
from steno_ingest.calls.doors.audio_format import AudioFormat
from steno_ingest.calls.hosting.gate import PauseGate
from steno_ingest.calls.ledger.pauses import PAUSES, RESUMES, GateState, Holder

_SEQUENCE_JUMP = 1000
"""How far the sequence jumps when a paused call is resumed in another process: the chunks that the first process made up to the
pause are not known here, and no number may be used twice. Consumers ignore a jump of the sequence alone."""


_SEQUENCES_PER_MS = 4
"""How fast sequences may grow at most: no call has so many chunks, not even in a burst."""


def unused_sequence(elapsed: timedelta) -> int:
    """A sequence that no chunk of a call has yet that began so long ago, for one whose peer does not know the last one.

    The call continues at a position that its peer knows; readers pass over audio before their own position.
    """
    return _SEQUENCE_JUMP + max(0, elapsed // timedelta(milliseconds=1)) * _SEQUENCES_PER_MS


class State(StrEnum):
    """States of a session."""

    NEW = "new"
    RUNNING = "running"
    ENDED = "ended"


class IllegalInput(Permanent):
    """An input is not legal in the state of the session, or its audio is not valid."""

    error_class = "protocol_error"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A record for the log, and the point after it, from which the call continues."""

    record: Record
    after: ResumePoint


class CallSession:
    """The state of one call. Every method returns the resulting entries in order. Positions are samples of one channel."""

    def __init__(
        self,
        started: CallStarted,
        *,
        chunk_ms: int,
        clock: Callable[[], datetime],
        now: Callable[[], float] = time.monotonic,
        at: ResumePoint | None = None,
        keep_digits: bool = False,
    ) -> None:
        """
        Args:
            started: The start record of the call.
            chunk_ms: Length of a chunk in milliseconds.
            clock: The time of day, in UTC.
            now: Seconds of a monotonic clock.
            at: The point from which a call that started elsewhere is resumed; None for a new call.
            keep_digits: Whether the digits of pressed keys are stored.
        """
        self.started = started
        self.channels = started.channels
        self.properties: Mapping[str, str] = started.properties
        self.state = State.NEW
        self.gate = PauseGate()
        self._at = at
        self._keep_digits = keep_digits
        self._clock = clock
        self._now = now
        #: The time since the start of the call when the session was made, and when that was by the monotonic clock.
        self._had, self._since = max(timedelta(0), clock() - started.started_at), now()
        #: The number of samples without stored audio, and with stored audio, in this process.
        self._missing = self._kept = 0
        self._call_id = started.call_id
        self._writer = started.writer
        self.format = AudioFormat(started.codec, started.sample_rate)
        #: Length of a chunk in milliseconds.
        self.chunk_ms = chunk_ms
        self._chunk_samples = self.format.samples_in(chunk_ms)
        self._frame_bytes = self.format.frame_bytes(len(started.channels))
        self._sequence = 0 if at is None else at.sequence
        #: Position of the first sample in the buffer.
        self._position = 0 if at is None else at.position
        self._buffer = bytearray()

    @property
    def flushed(self) -> ResumePoint:
        """The point after all returned entries."""
        return ResumePoint(sequence=self._sequence, position=self._position)

    @property
    def received(self) -> ResumePoint:
        """The point after all received audio."""
        return ResumePoint(sequence=self._sequence, position=self._position + len(self._buffer) // self._frame_bytes)

    @property
    def elapsed(self) -> timedelta:
        """The time since the start of the call."""
        return self._had + timedelta(seconds=self._now() - self._since)

    @property
    def lasted_seconds(self) -> float:
        """The duration of the call, by its audio or by the clock, whichever is longer."""
        return max(self.elapsed.total_seconds(), self.received.position / self.started.sample_rate)

    def seconds_of(self, audio: bytes) -> float:
        """Returns the duration of audio."""
        return self.format.seconds_of(audio, channels=len(self.channels))

    def start(self, gate: GateState = GateState.OPEN, *, reason: str = "") -> list[Entry]:
        """Begins or resumes the call; `gate` is the state of its pause gate in the ledger.

        A resumed call repeats the state of its gate, since its previous process may have died before it was on the log.
        """
        self._check(State.NEW, "start")
        self.state = State.RUNNING
        # If nothing is known to be acknowledged, the start record may be missing too. Consumers ignore a second one.
        begins = self._at in (None, ResumePoint(sequence=0, position=0))
        entries = [self._entry(self.started)] if begins else []
        self.gate.state = gate
        self.gate.note_ledger(gate)
        if self.gate.closed:
            if self._at is not None:
                self._sequence += _SEQUENCE_JUMP
            entries.append(self._paused(Holder.SERVICE if gate.by_service else Holder.PEER, reason))
        elif self._at is not None:
            entries.append(self._resumed(""))
        return entries

    def audio(self, data: bytes) -> list[Entry]:
        """Adds audio, all channels interleaved. While the gate is closed it is dropped.

        Raises:
            IllegalInput: it is not a whole number of sample frames, or too much for the duration of a pause.
        """
        if len(data) % self._frame_bytes:
            raise IllegalInput(
                f"{len(data)} bytes of audio are not a whole number of sample frames of {self._frame_bytes} bytes "
                f"({len(self.channels)} channels of {self.started.codec})"
            )
        samples = len(data) // self._frame_bytes
        self._check(State.RUNNING, "audio")
        if self.gate.closed:
            self._check_missing(samples)
            self._skip(samples)
            return []
        self._kept += samples
        self._buffer += data
        entries = []
        while len(self._buffer) >= (size := self._to_border() * self._frame_bytes):
            chunk = bytes(self._buffer[:size])
            del self._buffer[:size]
            entries.append(self._chunk_of(chunk))
        return entries

    def gap(self, length: int, reason: GapReason) -> list[Entry]:
        """Adds a gap of so many missing samples; one of none ends what is being said. While the gate is closed they belong to
        the pause.

        Raises:
            IllegalInput: it is longer than the time since the start of the call allows.
        """
        self._check(State.RUNNING, "gap")
        self._check_missing(length)
        if self.gate.closed:
            self._skip(length)
            return []
        entries = self._flush()
        gap = AudioGap(call_id=self._call_id, writer=self._writer, position=self._position, length=length, reason=reason)
        self._skip(length)
        return [*entries, self._entry(gap)]

    def pause(self, holder: Holder, *, by: str = "", reason: str = "") -> list[Entry]:
        """Pauses the call for a holder. If it was not paused, buffered audio is flushed and its memory overwritten."""
        self._check(State.RUNNING, "pause")
        closed = self.gate.closed
        self.gate.apply(PAUSES[holder])
        return [] if closed else [*self._flush(), self._paused(by or holder, reason)]

    def resume(self, holder: Holder, *, by: str = "", skipped: int = 0) -> list[Entry]:
        """Ends a holder's pause; the call resumes if no other holder pauses it. `skipped`: samples that were not sent."""
        self._check(State.RUNNING, "resume")
        if not self.gate.closed:
            return []
        self._check_missing(skipped)
        self.gate.apply(RESUMES[holder])
        self._skip(skipped)
        return [] if self.gate.closed else [self._resumed(by or holder)]

    def dtmf(self, digit: str, channel: int | None) -> list[Entry]:
        """Adds a key press, with its digit if `keep_digits`. While the gate is closed it is dropped."""
        self._check(State.RUNNING, "dtmf")
        if self.gate.closed:
            return []
        at = self.received.position
        return [
            self._entry(
                DtmfPressed(
                    call_id=self._call_id,
                    writer=self._writer,
                    position=at,
                    digit=digit if self._keep_digits else MASKED_DIGIT,
                    channel=channel,
                    pressed_at=self._clock(),
                )
            )
        ]

    def update(self, *, properties: Mapping[str, str], locale: str, channels: Iterable[CallChannel] = ()) -> list[Entry]:
        """Adds properties, a locale or roles of the call.

        Raises:
            IllegalInput: the properties become too large, or the call has no such channel.
        """
        self._check(State.RUNNING, "update")
        try:
            self.properties = merged(self.properties, properties)
        except PropertiesTooLarge as error:
            raise IllegalInput(str(error)) from error
        entries = []
        if properties or locale:
            entries.append(
                self._entry(
                    CallUpdated(
                        call_id=self._call_id,
                        writer=self._writer,
                        properties=dict(properties),
                        locale=locale,
                        updated_at=self._clock(),
                    )
                )
            )
        return entries + self.roles(channels, by=Holder.PEER)

    def set_channels(self, channels: Iterable[CallChannel]) -> None:
        """Sets the roles of the channels, which are already on the log."""
        self.channels = tuple(channels)

    def roles(self, channels: Iterable[CallChannel], *, by: str) -> list[Entry]:
        """Corrects the roles of channels; returns nothing if they are unchanged.

        Raises:
            IllegalInput: the call has no such channel.
        """
        self._check(State.RUNNING, "roles")
        corrected = {entry.channel: entry for entry in self.channels}
        for entry in channels:
            if entry.channel not in corrected:
                raise IllegalInput(f"the call has channels 0 to {len(corrected) - 1}, but no channel {entry.channel}")
            corrected[entry.channel] = entry
        if tuple(corrected.values()) == self.channels:
            return []
        self.channels = tuple(corrected.values())
        return [
            self._entry(
                RolesCorrected(call_id=self._call_id, channels=self.channels, corrected_by=by, corrected_at=self._clock())
            )
        ]

    def end(self, *, complete: bool, reason: str, error: str = "") -> list[Entry]:
        """Ends the call."""
        self._check(State.RUNNING, "end")
        self.state = State.ENDED
        ended = [] if self.gate.closed else self._flush()
        record = CallEnded(
            call_id=self._call_id,
            writer=self._writer,
            position=self._position,
            complete=complete,
            reason=reason,
            error=error,
            ended_at=self._clock(),
        )
        return [*ended, self._entry(record)]

    def _check_missing(self, samples: int) -> None:
        """Raises `IllegalInput` if more samples would be missing than the elapsed time allows (`steno.call_clock`)."""
        rate = self.started.sample_rate
        most = most_missing(self.elapsed, audio=self._kept, sample_rate=rate)
        if self._missing + samples > most:
            raise IllegalInput(
                f"{samples / rate:.1f} s are reported as missing after {self._missing / rate:.1f} s before, but by now at most "
                f"{most / rate:.1f} s of the call can be missing"
            )

    def _skip(self, samples: int) -> None:
        """Advances the position by samples without stored audio."""
        self._missing += samples
        self._position += samples

    def _check(self, state: State, action: str) -> None:
        if self.state is not state:
            raise IllegalInput(f"call {self._call_id}: {action} is not legal in a call that is {self.state}")

    def _entry(self, record: Record) -> Entry:
        return Entry(record=record, after=self.flushed)

    def _paused(self, by: str, reason: str) -> Entry:
        at = self._position
        return self._entry(
            CallPaused(
                call_id=self._call_id,
                writer=self._writer,
                position=at,
                requested_by=by,
                reason=reason,
                paused_at=self._clock(),
            )
        )

    def _resumed(self, by: str) -> Entry:
        return self._entry(
            CallResumed(
                call_id=self._call_id,
                writer=self._writer,
                position=self._position,
                requested_by=by,
                resumed_at=self._clock(),
            )
        )

    def _to_border(self) -> int:
        return self._chunk_samples - self._position % self._chunk_samples

    def _chunk_of(self, audio: bytes) -> Entry:
        chunk = AudioChunk(
            call_id=self._call_id, writer=self._writer, sequence=self._sequence, position=self._position, audio=audio
        )
        self._sequence += 1
        self._position += len(audio) // self._frame_bytes
        return self._entry(chunk)

    def _flush(self) -> list[Entry]:
        """Returns buffered audio as a shorter chunk, and overwrites its memory."""
        if not self._buffer:
            return []
        audio = bytes(self._buffer)
        self._buffer[:] = bytes(len(audio))
        self._buffer.clear()
        return [self._chunk_of(audio)]
