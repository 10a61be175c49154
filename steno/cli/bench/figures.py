"""What was measured on a machine: the figures of a capacity card. Pure."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

SERVICES = ("transcriber", "ingest", "broker", "enricher", "notifier")
TRANSCRIBER = "transcriber"


@dataclass(frozen=True, kw_only=True, slots=True)
class Batch:
    """Recordings that were transcribed as fast as they could."""

    #: Of the recordings, whatever their number of channels.
    audio_seconds: float
    wall_seconds: float
    #: CPU seconds for each second of audio, by process.
    cpu: Mapping[str, float]
    #: Size of the recordings for each second of audio, bytes.
    bytes_per_second: float

    @property
    def speed(self) -> float:
        """Seconds of audio a second, on the whole machine."""
        return self.audio_seconds / self.wall_seconds


@dataclass(frozen=True, kw_only=True, slots=True)
class Live:
    """Calls that were played at once."""

    calls: int
    #: From the end of an utterance to its phrase at the caller, seconds, 95th percentile.
    final_seconds: float
    #: CPU seconds for each second of a call, by process.
    cpu: Mapping[str, float]
    #: Memory for each call, megabytes, by process.
    memory_mb: Mapping[str, float]


@dataclass(frozen=True, kw_only=True, slots=True)
class Figures:
    """All that was measured."""

    cores: int
    batch: Batch
    #: The largest number of calls that was kept up with; None where not even one was.
    live: Live | None
    #: From a POST to the verified webhook of its transcript, seconds, median; and the length of that recording.
    webhook_seconds: float
    webhook_audio_seconds: float
    #: Memory of each process without a call, megabytes.
    memory_mb: Mapping[str, float]

    @property
    def calls_per_core(self) -> float:
        """Live calls for each core, with everything that they need beside the engine on the same cores."""
        return 0.0 if self.live is None else self.live.calls / self.cores

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return {
            **asdict(self),
            "batch_speed": round(self.batch.speed, 1),
            "batch_audio_seconds_per_core_second": round(1 / sum(self.batch.cpu.values()), 1),
            "calls_per_core": round(self.calls_per_core, 2),
        }
