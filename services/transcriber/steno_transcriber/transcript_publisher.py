"""Publishes the records of a transcript, of a recording or of a live call: started, phrases, completed or failed."""

from collections.abc import Callable, Mapping
from datetime import datetime

import structlog

from steno.events import ids
from steno.events.catalogue import PHRASES, TRANSCRIPTS
from steno.events.observations import Observation
from steno.events.records import Phrase, TranscriptCompleted, TranscriptFailed, TranscriptStarted
from steno.kafka.errors import RecordRefused
from steno_transcriber.audio.wire_format import Flaws
from steno_transcriber.publisher import Publisher

log = structlog.get_logger("steno.transcriber")


class TranscriptPublisher:
    """Publishes the records of one transcript. Each method returns when Kafka has the record; repeated, it writes the same ids.

    Raises what its publisher raises: `RecordRefused` where Kafka rejects a record, `Retryable` while Kafka is away.
    """

    def __init__(
        self, publisher: Publisher, *, call_id: str, recording_id: str, tenant: str, now: Callable[[], datetime]
    ) -> None:
        self._publisher = publisher
        self._call_id = call_id
        self._recording_id = recording_id
        self._tenant = tenant
        self._now = now

    async def publish_started(self) -> None:
        """Publish that the transcript has started."""
        record = TranscriptStarted(call_id=self._call_id, recording_id=self._recording_id, started_at=self._now())
        await self._publisher.send(TRANSCRIPTS, record, event_id=self._event_id("transcript.started"))

    async def publish_phrase(self, phrase: Phrase) -> None:
        """Publish a phrase."""
        await self._publisher.send(PHRASES, phrase, event_id=phrase.phrase_id)

    async def publish_completed(
        self,
        *,
        phrase_count: int,
        channel_count: int,
        duration_ms: int,
        observations: tuple[Observation, ...],
        engine: str,
        locale: str,
        properties: Mapping[str, str],
        result_url: str = "",
        supersedes: str = "",
        flaws: Flaws | None = None,
    ) -> TranscriptCompleted:
        """Publish that the transcript is complete, after all of its phrases, and return that record."""
        flaws = flaws or Flaws()
        record = TranscriptCompleted(
            call_id=self._call_id,
            recording_id=self._recording_id,
            supersedes=supersedes,
            result_url=result_url,
            phrase_count=phrase_count,
            channel_count=channel_count,
            duration_ms=duration_ms,
            damaged_ms=flaws.damaged_ms,
            missing_ms=flaws.missing_ms,
            observations=observations,
            engine=engine,
            locale=locale,
            properties=dict(properties),
            completed_at=self._now(),
            tenant=self._tenant,
        )
        await self._publisher.send(TRANSCRIPTS, record, event_id=self._event_id("transcript.completed"))
        return record

    async def publish_failed(self, reason: str, error: str, *, properties: Mapping[str, str]) -> None:
        """Publish that the transcript has failed, with a reason for a person and one for programs.

        Where Kafka rejects the record it is sent again without the properties, which may be what makes it too large:
        nobody is to wait for ever.
        """
        record = TranscriptFailed(
            call_id=self._call_id,
            recording_id=self._recording_id,
            reason=reason,
            error=error,
            properties=dict(properties),
            failed_at=self._now(),
            tenant=self._tenant,
        )
        event_id = self._event_id("transcript.failed")
        try:
            await self._publisher.send(TRANSCRIPTS, record, event_id=event_id)
        except RecordRefused as refused:
            log.error("failure.refused", call_id=self._call_id, recording_id=self._recording_id, reason=str(refused))
            await self._publisher.send(TRANSCRIPTS, record.model_copy(update={"properties": {}}), event_id=event_id)

    def _event_id(self, event: str) -> str:
        return ids.event_id(event, self._recording_id)
