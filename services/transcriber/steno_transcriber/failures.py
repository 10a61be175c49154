"""Publishes that a transcript failed, in a shorter form where Kafka rejects the full one, so that nobody waits for ever."""

from collections.abc import Awaitable, Callable

import structlog

from steno.events.records import TranscriptFailed
from steno.kafka.errors import RecordRefused

log = structlog.get_logger("steno.transcriber")


async def tell(failed: TranscriptFailed, send: Callable[[TranscriptFailed], Awaitable[None]]) -> None:
    """Publishes that a pass failed; without what its publisher said of the call where it is too large with it.

    Raises:
        RecordRefused: not even that is taken.
        Retryable: Kafka is away.
    """
    try:
        await send(failed)
    except RecordRefused as error:
        log.error("failure.refused", call_id=failed.call_id, recording_id=failed.recording_id, reason=str(error))
        await send(failed.model_copy(update={"properties": {}}))
