"""The resources that all live calls of a process share: engine, decoder, publisher, memory."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from steno.retry import RetryPolicy
from steno_transcriber.engines.choice import Engines
from steno_transcriber.live.aside_budget import AsideBudget
from steno_transcriber.live.catching_up import BEHIND_ROOM_SECONDS
from steno_transcriber.live.decoding import Decoder
from steno_transcriber.live.hypotheses import HypothesisBench
from steno_transcriber.live.room import Room
from steno_transcriber.publisher import Publisher
from steno_transcriber.steps import Steps


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """What all live calls of the process share."""

    engines: Engines
    decoder: Decoder
    publisher: Publisher
    hypotheses: HypothesisBench
    room: Room = field(default_factory=Room)
    #: For calls that are behind (`catching_up`).
    behind_room: Room = field(default_factory=lambda: Room(BEHIND_ROOM_SECONDS))
    #: Where what is put aside of them lies; None: where the system has temporary files.
    aside_folder: Path | None = None
    aside_budget: AsideBudget = field(default_factory=AsideBudget)
    policy: RetryPolicy = field(default_factory=lambda: RetryPolicy(longest_seconds=2.0))
    steps: Steps = field(default_factory=Steps)
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
