"""A session turns what doors and the API say of one call, from its start to its end, into the records of its log. Pure.

```
new ──start──▶ running ──end──▶ ended
```

Audio is cut into chunks whose borders follow from its position alone: each multiple of the chunk length is one, and beyond them
only what breaks the audio off (a pause, a gap, the end). So it does not matter in which frames audio came, and a call that goes
on in another process, from where its peer knows it to be safe, is cut into the same chunks again.

While the pause gate (`gate`) is closed no audio and no key gets past, and only the clock of the call goes on.
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
"""How far the sequence jumps when a call goes on paused elsewhere: what was cut there up to the pause is not known here, and a
number must not be given twice. Consumers take a jump of the sequence alone for nothing."""


class State(StrEnum):
    """States of a session."""

    NEW = "new"
    RUNNING = "running"
    ENDED = "ended"


class IllegalInput(Permanent):
    """A session was told what cannot be in its state, or audio that is none."""

    error_class = "protocol_error"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A record for the log, and where the call goes on once it is there."""

    record: Record
    after: ResumePoint


class CallSession:
    """The state of one call. Every method gives the entries that follow, in order; positions are samples of one channel."""

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
            started: What the call is; the first record of a new one.
            chunk_ms: Length of a chunk, milliseconds.
            clock: The time of day, in UTC.
            now: Seconds of a monotonic clock.
            at: The call was started elsewhere and goes on here.
            keep_digits: Whether it is kept which keys were pressed.
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
        #: The time that the call had had by its time of day, and when that was by a clock that does not jump.
        self._had, self._since = max(timedelta(0), clock() - started.started_at), now()
        #: Samples that went by here and of which no audio is kept; and those of which some is.
        self._missing = self._kept = 0
        self._call_id = started.call_id
        self._writer = started.writer
        self.format = AudioFormat(started.codec, started.sample_rate)
        #: Length of a chunk, milliseconds.
        self.chunk_ms = chunk_ms
        self._chunk_samples = self.format.samples_in(chunk_ms)
        self._frame_bytes = self.format.frame_bytes(len(started.channels))
        self._sequence = 0 if at is None else at.sequence
        #: Position of the first sample in the buffer.
        self._position = 0 if at is None else at.position
        self._buffer = bytearray()

    @property
    def flushed(self) -> ResumePoint:
        """Where the call goes on behind all entries given so far."""
        return ResumePoint(sequence=self._sequence, position=self._position)

    @property
    def received(self) -> ResumePoint:
        """Where the peer goes on behind all that was received."""
        return ResumePoint(sequence=self._sequence, position=self._position + len(self._buffer) // self._frame_bytes)

    @property
    def had(self) -> timedelta:
        """The time that the call has had since its start."""
        return self._had + timedelta(seconds=self._now() - self._since)

    @property
    def lasted_seconds(self) -> float:
        """How long the call is, by its audio or by the clock."""
        return max(self.had.total_seconds(), self.received.position / self.started.sample_rate)

    def seconds_of(self, audio: bytes) -> float:
        """How long so much audio lasts."""
        return self.format.seconds_of(audio, channels=len(self.channels))

    def start(self, gate: GateState = GateState.OPEN, *, reason: str = "") -> list[Entry]:
        """The call begins, or goes on here; `gate`: how the ledger has it.

        A call that goes on says again how its gate stands: its process may have died before it had told.
        """
        self._check(State.NEW, "start")
        self.state = State.RUNNING
        # Where nothing is known to be safe, its first record may not be either; consumers pass over one that they have.
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
        """The next audio, all channels interleaved. While the gate is closed nothing comes of it.

        Raises:
            IllegalInput: it is no whole number of sample frames, or so much cannot have gone by in a pause.
        """
        if len(data) % self._frame_bytes:
            raise IllegalInput(
                f"{len(data)} bytes of audio are no whole number of sample frames of {self._frame_bytes} bytes "
                f"({len(self.channels)} channels of {self.started.codec})"
            )
        samples = len(data) // self._frame_bytes
        self._check(State.RUNNING, "audio")
        if self.gate.closed:
            self._allow(samples)
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
        """So many samples are missing. While the gate is closed they belong to the pause.

        Raises:
            IllegalInput: the call has had no time for it.
        """
        self._check(State.RUNNING, "gap")
        self._allow(length)
        if self.gate.closed or not length:
            self._skip(length)
            return []
        entries = self._flush()
        gap = AudioGap(call_id=self._call_id, writer=self._writer, position=self._position, length=length, reason=reason)
        self._skip(length)
        return [*entries, self._entry(gap)]

    def pause(self, holder: Holder, *, by: str = "", reason: str = "") -> list[Entry]:
        """Somebody pauses the call; where it was not paused, what came before goes out, and nothing of it stays in memory."""
        self._check(State.RUNNING, "pause")
        closed = self.gate.closed
        self.gate.apply(PAUSES[holder])
        return [] if closed else [*self._flush(), self._paused(by or holder, reason)]

    def resume(self, holder: Holder, *, by: str = "", skipped: int = 0) -> list[Entry]:
        """Somebody pauses the call no more; it goes on where nobody else does. `skipped` samples went by that nobody sent."""
        self._check(State.RUNNING, "resume")
        if not self.gate.closed:
            return []
        self._allow(skipped)
        self.gate.apply(RESUMES[holder])
        self._skip(skipped)
        return [] if self.gate.closed else [self._resumed(by or holder)]

    def dtmf(self, digit: str, channel: int | None) -> list[Entry]:
        """A key was pressed; which one is kept where digits are. While the gate is closed nobody learns even that."""
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
        """More is known of the call; what is said of its channels becomes a correction of roles.

        Raises:
            IllegalInput: with what is known already it is more than is kept, or the call has no such channel.
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
        """Sets who speaks on the channels, as the log has it already."""
        self.channels = tuple(channels)

    def roles(self, channels: Iterable[CallChannel], *, by: str) -> list[Entry]:
        """It is known better who speaks on some channels. Nothing comes of what was known before.

        Raises:
            IllegalInput: the call has no such channel.
        """
        self._check(State.RUNNING, "roles")
        corrected = {entry.channel: entry for entry in self.channels}
        for entry in channels:
            if entry.channel not in corrected:
                raise IllegalInput(f"the call has channels 0 to {len(corrected) - 1}, and no channel {entry.channel}")
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
        """The call is over."""
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

    def _allow(self, samples: int) -> None:
        """Raises `IllegalInput` where the call has had no time for so much to go by without audio (`steno.call_clock`)."""
        rate = self.started.sample_rate
        most = most_missing(self.had, audio=self._kept, sample_rate=rate)
        if self._missing + samples > most:
            raise IllegalInput(
                f"{samples / rate:.1f} s are said to be missing, {self._missing / rate:.1f} s were before, and by now no more "
                f"than {most / rate:.1f} s of the call can be"
            )

    def _skip(self, samples: int) -> None:
        """So many samples went by of which no audio is kept."""
        self._missing += samples
        self._position += samples

    def _check(self, state: State, told: str) -> None:
        if self.state is not state:
            raise IllegalInput(f"call {self._call_id}: {told} is not legal in a call that is {self.state}")

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
        """What is buffered, as a shorter chunk; the memory that held it is overwritten."""
        if not self._buffer:
            return []
        audio = bytes(self._buffer)
        self._buffer[:] = bytes(len(audio))
        self._buffer.clear()
        return [self._chunk_of(audio)]
