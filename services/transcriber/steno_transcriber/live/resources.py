"""The resources that all live calls of a process share: engine, decoder, publisher, memory."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from steno.retry import RetryPolicy
from steno_transcriber.engines.choice import Engines
from steno_transcriber.live.audio_backlog import AudioBacklog
from steno_transcriber.live.buffer_budget import BufferBudget
from steno_transcriber.live.catching_up import BEHIND_BACKLOG_SECONDS
from steno_transcriber.live.decoding import Decoder
from steno_transcriber.live.hypotheses import HypothesisResources
from steno_transcriber.publisher import Publisher
from steno_transcriber.steps import Steps


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveResources:
    """What all live calls of the process share."""

    engines: Engines
    decoder: Decoder
    publisher: Publisher
    hypotheses: HypothesisResources
    backlog: AudioBacklog = field(default_factory=AudioBacklog)
    #: For calls that are behind (`catching_up`).
    late_backlog: AudioBacklog = field(default_factory=lambda: AudioBacklog(BEHIND_BACKLOG_SECONDS))
    #: Where their buffered records lie; None: where the system has temporary files.
    buffer_folder: Path | None = None
    buffer_budget: BufferBudget = field(default_factory=BufferBudget)
    policy: RetryPolicy = field(default_factory=lambda: RetryPolicy(longest_seconds=2.0))
    steps: Steps
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
