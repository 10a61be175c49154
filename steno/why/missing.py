"""Judges what of a call's life is missing, and where to look for it. Pure."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, TypeVar

from steno.doctor.findings import Finding, error, note, ok, warning
from steno.events.catalogue import DEAD_LETTERS
from steno.events.ids import live_pass_id, recording_id_of
from steno.events.records import (
    AudioChunk,
    CallEnded,
    CallStarted,
    CallSummary,
    Insight,
    Phrase,
    Record,
    RecordingCancelled,
    RecordingSubmitted,
    TranscriptCompleted,
    TranscriptFailed,
    TranscriptStarted,
)
from steno.why.facts import Life, Seen

R = TypeVar("R", bound=Record)

_SOON_SECONDS = 30
"""How long a step may take before its absence is a warning."""

_LONG_SECONDS = 900
"""The same for the transcription of a recording."""


def missing(life: Life, *, now: datetime, prefix: str) -> list[Finding]:
    """What is missing or went wrong, in the order in which a call goes through the services.

    Args:
        prefix: STENO_TOPIC_PREFIX, for the names of groups.
    """
    return _Judge(life, now, prefix).findings()


class _Judge:
    def __init__(self, life: Life, now: datetime, prefix: str) -> None:
        self._life, self._now, self._prefix = life, now, prefix
        self._asked_kafka = "Kafka" not in life.unasked

    def findings(self) -> list[Finding]:
        life = self._life
        found = [
            note(name, f"it was not asked: {why}", "what follows knows nothing of it") for name, why in life.unasked.items()
        ]
        if not (life.records or life.call or life.recordings or life.deliveries):
            todo = (
                "check the id; a key sees only its tenant's calls (one with tenant=* sees all), and topics keep records for "
                "the time in docs/topics.md"
            )
            return [*found, error(life.call_id, "nothing is known of this call", todo)]
        judged = [
            *self._dead_letters(),
            *self._live(),
            *(finding for name in self._submitted() for finding in self._recording(name)),
            *(finding for seen, record in self._all(TranscriptCompleted) for finding in self._after(seen, record)),
            *self._ledger(),
            *self._deliveries(),
        ]
        return [
            *found,
            *(judged or [ok(life.call_id, f"nothing is missing{' of what could be seen' if life.unasked else ''}")]),
        ]

    def _all(self, kind: type[R]) -> list[tuple[Seen, R]]:
        return [(seen, seen.record) for seen in self._life.records if isinstance(seen.record, kind)]

    def _of(self, kind: type[R], recording_id: str) -> list[tuple[Seen, R]]:
        return [(seen, record) for seen, record in self._all(kind) if getattr(record, "recording_id", "") == recording_id]

    def _ended(self, recording_id: str) -> bool:
        return any(self._of(kind, recording_id) for kind in (TranscriptCompleted, TranscriptFailed, RecordingCancelled))

    def _submitted(self) -> dict[str, None]:
        return dict.fromkeys(recording_id_of(record) for _, record in self._all(RecordingSubmitted))

    def _late(self, what: str, since: datetime, todo: str, *, after: float = _SOON_SECONDS) -> Finding:
        """A step that has not been done: a warning where it should have been done by now."""
        seconds = (self._now - since).total_seconds()
        told = f"{what} since {_ago(seconds)}"
        return (
            warning(self._life.call_id, told, todo) if seconds > after else note(self._life.call_id, f"{told}: it may yet come")
        )

    def _group(self, name: str) -> str:
        return (
            f"look at the lag of group {self._prefix}{name} (`steno doctor`), and for this call's id in the log of the service"
        )

    def _dead_letters(self) -> Iterator[Finding]:
        for seen in self._life.records:
            if seen.topic == DEAD_LETTERS:
                header = {name: value.decode("utf-8", "replace") for name, value in seen.headers.items()}
                origin = " ".join(header.get(f"steno-origin-{part}", "?") for part in ("topic", "partition", "offset"))
                yield error(
                    seen.where,
                    f"the {header.get('steno-service', '?')} could not process the record at {origin}: "
                    f"{header.get('steno-error-class', '?')}",
                    "`steno dead-letters show` has the reason; mend it, then `steno dead-letters redrive`",
                )
            elif seen.fault:
                yield error(seen.where, f"the record cannot be read: {seen.fault}", "see who wrote it (its header ce_source)")

    def _live(self) -> Iterator[Finding]:
        """The live pass, from its start to its transcript."""
        live = live_pass_id(self._life.call_id)
        ends = self._all(CallEnded)
        for _, failure in self._of(TranscriptFailed, live):
            yield _failed(live, failure)
        if self._ended(live):
            return
        if ends:
            yield self._late("the live transcript has not been completed", ends[-1][0].at, self._group("transcriber-live"))
        elif starts := self._all(CallStarted):
            last = max(seen.at for seen, _ in [*starts, *self._all(AudioChunk)])
            yield self._late(
                "the call has not ended, and no audio of it has come",
                last,
                "see whether its peer still sends; ingest ends a call after STENO_INGEST_INACTIVE_SECONDS without audio",
                after=_SOON_SECONDS,
            )

    def _recording(self, recording_id: str) -> Iterator[Finding]:
        """A recording, from its submission to its transcript."""
        for _, failure in self._of(TranscriptFailed, recording_id):
            yield _failed(recording_id, failure)
        if self._ended(recording_id):
            return
        if started := self._of(TranscriptStarted, recording_id):
            what = f"the transcript of {recording_id} has not been completed"
            yield self._late(what, started[-1][0].at, self._group("transcriber"), after=_LONG_SECONDS)
            return
        submitted = [seen for seen, record in self._all(RecordingSubmitted) if recording_id_of(record) == recording_id]
        yield self._late(f"no transcriber has started with {recording_id}", submitted[-1].at, self._group("transcriber"))

    def _after(self, completed: Seen, transcript: TranscriptCompleted) -> Iterator[Finding]:
        """What follows a transcript: its phrases, insights and summary."""
        name = transcript.recording_id
        phrases = {record.phrase_id for _, record in self._of(Phrase, name)}
        insights = {record.phrase_id for _, record in self._of(Insight, name)}
        if len(phrases) < transcript.phrase_count:
            what = f"only {len(phrases)} of {transcript.phrase_count} phrases of {name} are on the topic"
            yield warning(name, what, "phrases are kept for 30 days; if it is younger, report this as a bug of Steno")
        if lacking := len(phrases - insights):
            yield self._late(
                f"{lacking} of {len(phrases)} phrases of {name} have had no insight", completed.at, self._group("enricher")
            )
        if not self._of(CallSummary, name):
            yield self._late(f"there has been no CallSummary of {name}", completed.at, self._group("enricher"))

    def _ledger(self) -> Iterator[Finding]:
        """Whether ingest knows what Kafka says, and the other way round."""
        for recording in self._life.recordings:
            name, state = recording["recording_id"], recording["state"]
            ends = [seen for kind in (TranscriptCompleted, TranscriptFailed) for seen, record in self._of(kind, name)]
            if state in ("accepted", "running") and ends:
                yield self._late(f"the ledger has {name} as {state}, though it ended", ends[-1].at, self._group("ingest"))
            if state == "accepted" and self._asked_kafka and name not in self._submitted():
                yield self._late(
                    f"{name} has been accepted, and is not on Kafka",
                    datetime.fromisoformat(recording["accepted_at"]),
                    "see whether ingest reaches Kafka: its outbox (steno_ingest_outbox_age_seconds)",
                )
            if state == "failed" and not self._of(TranscriptFailed, name):
                yield error(name, f"the recording failed: {recording['reason']}", _mend(recording["error"]))
        for name, readable in self._life.transcripts.items():
            if not readable:
                yield error(name, "its result document cannot be read", "see whether it is still in the object store")

    def _deliveries(self) -> Iterator[Finding]:
        summaries = self._all(CallSummary)
        if summaries and not self._life.deliveries and "notifier" not in self._life.unasked:
            yield note(self._life.call_id, "no webhook was told of it", "register one for its events, if one was expected")
        for delivery in self._life.deliveries:
            yield from _delivery(delivery)


def _delivery(delivery: Mapping[str, Any]) -> Iterator[Finding]:
    where = f"delivery {delivery['delivery_id']}"
    what = f"{delivery['event_type']} for webhook {delivery['webhook_id']}"
    if delivery["state"] == "failed":
        todo = f"mend the receiver, then POST /v1/deliveries/{delivery['delivery_id']}/replay"
        yield warning(where, f"{what} was given up after {delivery['attempts']} attempts: {delivery['reason']}", todo)
    elif delivery["state"] != "delivered":
        reason = f": {delivery['reason']}" if delivery["reason"] else ""
        yield note(where, f"{what} is {delivery['state']}, due at {delivery['due_at']}{reason}")


def _failed(recording_id: str, failure: TranscriptFailed) -> Finding:
    return error(recording_id, f"the transcript failed: {failure.reason}", _mend(failure.error))


def _mend(error_class: str | None) -> str:
    return (
        f"the error is {error_class or 'not named'} (docs/recordings.md); submit the recording again once its cause is mended"
    )


def _ago(seconds: float) -> str:
    for unit, length in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{max(0.0, seconds):.0f} s"
