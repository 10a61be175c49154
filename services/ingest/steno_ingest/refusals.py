"""Handles records of the outbox that Kafka rejects permanently: it fails the recording or call, or adds an event to the call.

| record | consequence |
|---|---|
| `RecordingSubmitted` | its recording fails; a `TranscriptFailed` is published |
| `CallStarted`, `CallEnded` | its call fails, since there will be no transcript or no complete one |
| another record of a call | the call gets an event and continues; readers of the topic miss this change of it |
| a record of a webhook | only a log line and a metric |
"""

from typing import Any

from sqlalchemy import Row

from steno.events.catalogue import CALL_AUDIO, CALLS
from steno.kafka.errors import RecordRefused
from steno_ingest.calls.ledger.call_ledger import CallLedger
from steno_ingest.errors import NotThere
from steno_ingest.recordings.ledger import RecordingLedger

_ENDS_A_CALL = frozenset({"steno.CallStarted", "steno.CallEnded"})


class Refusals:
    """Records rejections in the ledgers, idempotently (`steno_ingest.outbox.OnRefused`)."""

    def __init__(self, ledger: RecordingLedger, calls: CallLedger) -> None:
        self._ledger = ledger
        self._calls = calls

    async def record(self, row: Row[Any], refusal: RecordRefused) -> None:
        """Records that Kafka rejected a row of the outbox. Raises `DatabaseUnavailable`."""
        kind = str(dict(row.headers).get("ce_type", ""))
        error = RecordRefused.error_class
        reason = f"Kafka rejects its {kind.removeprefix('steno.')}: {refusal}; shorten its metadata, or raise the limit"
        try:
            if row.recording_id is not None:
                await self._ledger.fail(row.recording_id, reason=reason, error=error)
            elif kind in _ENDS_A_CALL:
                await self._calls.fail(row.key, reason=reason, error=error)
            elif row.topic in (CALLS.name, CALL_AUDIO.name):
                await self._calls.note_event(row.key, error, position_ms=0, detail=reason)
        except NotThere:
            return
