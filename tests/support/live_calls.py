"""Live calls for tests: audio cut into records as ingest writes them, with everything that happens to calls."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import numpy as np
import numpy.typing as npt
from steno_transcriber.speech import SAMPLE_RATE

from steno.events.recognition import RecognitionDetails
from steno.events.records import (
    AudioChunk,
    AudioCodec,
    AudioGap,
    CallChannel,
    CallEnded,
    CallPaused,
    CallRecord,
    CallResumed,
    CallStarted,
    GapReason,
    Role,
)
from steno.g711 import LINEAR_VALUES

BEGAN = datetime(2026, 3, 1, 9, tzinfo=UTC)
CHANNELS = (CallChannel(channel=0, role=Role.AGENT), CallChannel(channel=1, role=Role.CUSTOMER))

Heard = npt.NDArray[np.float32]
"""Shape (channels, samples), at 16 kHz."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A record of the log, where it stands and when it was written."""

    offset: int
    record: CallRecord
    written_at: datetime


@dataclass(slots=True, kw_only=True)
class CallWriter:
    """Writes the log of a call as a door does, in linear samples or G.711."""

    call_id: str = "call-1"
    codec: AudioCodec = AudioCodec.S16LE
    sample_rate: int = 8000
    channels: tuple[CallChannel, ...] = CHANNELS
    locale: str = "en-US"
    properties: dict[str, str] = field(default_factory=dict)
    tenant: str = ""
    recognition: RecognitionDetails = field(default_factory=RecognitionDetails)
    #: Offsets of the partition that belong to other calls, before each record.
    others: int = 0
    log: list[Entry] = field(default_factory=list)
    position: int = 0
    sequence: int = 0
    offset: int = 0

    def start(self) -> None:
        """The call begins."""
        self.write(
            CallStarted(
                call_id=self.call_id,
                codec=self.codec,
                sample_rate=self.sample_rate,
                channels=self.channels,
                locale=self.locale,
                properties=self.properties,
                started_at=BEGAN,
                tenant=self.tenant,
                recognition=self.recognition,
            )
        )

    def say(self, audio: Heard, *, chunk: int = 0) -> None:
        """Audio at 16 kHz goes on the log in chunks of so many samples of a channel; 100 ms by default."""
        audio = audio[:, :: SAMPLE_RATE // self.sample_rate]
        length = chunk or self.sample_rate // 10
        for begin in range(0, audio.shape[1], length):
            piece = audio[:, begin : begin + length]
            position, sequence = self.position, self.sequence
            self.position += piece.shape[1]
            self.sequence += 1
            self.write(AudioChunk(call_id=self.call_id, sequence=sequence, position=position, audio=coded(piece, self.codec)))

    def again(self, count: int) -> None:
        """The last chunks come a second time."""
        chunks = [entry.record for entry in self.log if isinstance(entry.record, AudioChunk)]
        for record in chunks[-count:] if count else []:
            self.write(record)

    def lose(self, samples: int) -> None:
        """Audio is lost, and nobody tells."""
        self.position += samples

    def gap(self, samples: int) -> None:
        """Audio is lost, and the log says so."""
        self.write(AudioGap(call_id=self.call_id, position=self.position, length=samples, reason=GapReason.LATE))
        self.position += samples

    def pause(self, *, late: int = 0) -> None:
        """No audio from here on, or from so many samples before."""
        self.write(CallPaused(call_id=self.call_id, position=max(0, self.position - late), paused_at=BEGAN))

    def resume(self, samples: int) -> None:
        """Audio again, so many samples later."""
        self.position += samples
        self.write(CallResumed(call_id=self.call_id, position=self.position, resumed_at=BEGAN))

    def end(self) -> None:
        """The call is over."""
        self.write(CallEnded(call_id=self.call_id, position=self.position, complete=True, ended_at=BEGAN))

    def write(self, record: CallRecord) -> None:
        """A record goes on the log, at the moment that the audio has come to."""
        written_at = BEGAN + timedelta(seconds=self.position / self.sample_rate)
        self.offset += 1 + self.others
        self.log.append(Entry(offset=self.offset, record=record, written_at=written_at))


def coded(audio: Heard, codec: AudioCodec) -> bytes:
    """Samples as a codec has them, channels interleaved."""
    linear = (np.clip(audio, -1, 1) * 32767).astype("<i2").T
    if codec is AudioCodec.S16LE:
        return linear.tobytes()
    return _G711[codec].take(linear.astype(np.int32) + 32768).tobytes()


def _nearest(codec: AudioCodec) -> npt.NDArray[np.uint8]:
    """For each value of 16 bits the code whose value is nearest."""
    values = np.array(LINEAR_VALUES[codec])
    order = np.argsort(values, kind="stable")
    middles = np.convolve(values[order], [0.5, 0.5], mode="valid")
    return order[np.searchsorted(middles, np.arange(-32768, 32768))].astype(np.uint8)


_G711 = {codec: _nearest(codec) for codec in (AudioCodec.PCMU, AudioCodec.PCMA)}
