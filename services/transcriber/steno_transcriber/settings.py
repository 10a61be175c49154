"""The settings of the transcriber, from its environment (`STENO_TRANSCRIBER_…`)."""

import os
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import Field
from pydantic_settings import NoDecode, SettingsConfigDict

from steno.settings import BY_COMMAS, Networks, ServiceSettings
from steno_transcriber.azure.settings import AzureSettings
from steno_transcriber.engines import Device, EngineKind
from steno_transcriber.fetch.fetcher import FetchLimits

Folders = Annotated[tuple[Path, ...], NoDecode, BY_COMMAS]
Kinds = Annotated[tuple[EngineKind, ...], NoDecode, BY_COMMAS]
Names = Annotated[tuple[str, ...], NoDecode, BY_COMMAS]
Work = Literal["recordings", "calls"]


class TranscriberSettings(ServiceSettings):
    """The settings of the transcriber."""

    service: ClassVar[str] = "transcriber"
    model_config = SettingsConfigDict(env_prefix="STENO_TRANSCRIBER_")

    azure: AzureSettings = Field(default_factory=AzureSettings)

    work: Annotated[tuple[Work, ...], NoDecode, BY_COMMAS] = Field(
        default=("recordings", "calls"),
        min_length=1,
        description="What this process transcribes, by commas: recordings, calls (live). Where they scale apart, give each "
        "its own processes.",
    )
    engine: Kinds = Field(
        default=("whisper",),
        min_length=1,
        description="Speech engines by commas, the preferred one first: whisper, azure, or a test double: "
        "scripted, scripted_call. A "
        "recording or call is given to the first that can serve what it asks for.",
    )
    model: Names = Field(
        default=("tiny.en",),
        min_length=1,
        description="Models of the engine by commas, the preferred one first: names of `steno models list`, or directories. "
        "A recording or call may ask for one by its name.",
    )
    device: Device = Field(
        default="cpu",
        description="Where models run: cpu, or cuda for an NVIDIA GPU (its CUDA libraries must be installed). On a GPU the "
        "words of a live call may differ after a takeover; ids and times of phrases do not.",
    )
    threads: int = Field(default=0, ge=0, description="Threads that decode speech; 0 takes one for each processor.")
    concurrency: int = Field(default=0, ge=0, description="Recordings being decoded at once; 0 takes one more than threads.")
    fetch_ahead: int = Field(
        default=8,
        ge=0,
        description="Recordings that may be fetched ahead: in download or waiting to be decoded, besides those being decoded.",
    )
    max_audio_hours: float = Field(default=24, gt=0, description="Longest audio of one recording; a longer one fails.")
    file_folders: Folders = Field(
        default=(), description="Folders below which file:// URLs of recordings may lie, by commas; none by default."
    )
    allowed_networks: Networks = Field(
        default=(),
        description="Private networks that recordings may be fetched from, CIDR separated by commas; none by default.",
    )
    temporary_folder: Path | None = Field(
        default=None, description="Where fetched recordings lie while they are decoded; the system's default if unset."
    )
    max_recording_bytes: int = Field(default=2 << 30, gt=0, description="Largest recording in bytes; a larger one fails.")
    slow_fetches: int = Field(
        default=64,
        ge=1,
        description="Slow fetches (over 5 s) at once, besides CONCURRENCY and FETCH_AHEAD; each may be a file on the disk.",
    )
    fetch_connect_seconds: float = Field(default=10, gt=0, description="Longest wait for a connection.")
    fetch_read_seconds: float = Field(
        default=30,
        gt=0,
        description="Longest time a server may send nothing during a fetch; its speed is measured over the same time.",
    )
    fetch_total_seconds: float = Field(
        default=900, gt=0, description="Longest time that one attempt at a fetch may take, plus one second for each MiB."
    )
    fetch_least_bytes_per_second: int = Field(
        default=16_384, ge=1, description="Slowest download speed; below it the attempt fails."
    )
    fetch_attempts: int = Field(default=6, ge=1, description="Attempts at a fetch before the recording fails.")
    fetch_give_up_seconds: float = Field(
        default=600, gt=0, description="No further attempt at a fetch is started after this time."
    )

    fetch_missing_seconds: float = Field(
        default=120,
        ge=0,
        description="How long a recording that is not there yet (status 404, 202, 409, 423 or 425, no such file) is asked for.",
    )

    @property
    def decode_threads(self) -> int:
        """Number of threads that decode speech."""
        return self.threads or os.cpu_count() or 1

    @property
    def decoding_at_once(self) -> int:
        """Number of recordings decoded at once: one more than threads, so that none idles between two recordings."""
        return self.concurrency or self.decode_threads + 1

    @property
    def fetch_limits(self) -> FetchLimits:
        """The limits of fetching recordings."""
        return FetchLimits(
            max_bytes=self.max_recording_bytes,
            connect_seconds=self.fetch_connect_seconds,
            read_seconds=self.fetch_read_seconds,
            total_seconds=self.fetch_total_seconds,
            attempts=self.fetch_attempts,
            give_up_seconds=self.fetch_give_up_seconds,
            least_bytes_per_second=self.fetch_least_bytes_per_second,
            missing_seconds=self.fetch_missing_seconds,
        )
