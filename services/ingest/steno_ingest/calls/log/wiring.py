"""Builds the call log from the settings: its reader, its recorder, and the component that ends inactive calls."""

from collections.abc import Callable
from dataclasses import dataclass

from steno.events.catalogue import CALL_AUDIO
from steno.kafka import Cluster, LogConsumer
from steno.storage.objects import ObjectStore
from steno_ingest.calls.ledger.account_rows import AccountRows
from steno_ingest.calls.ledger.call_ledger import CallLedger
from steno_ingest.calls.log.account.flush import Flusher
from steno_ingest.calls.log.audio.piece_store import PieceStore
from steno_ingest.calls.log.reading.call_log import CallLog
from steno_ingest.calls.log.reading.inactive_calls import InactiveCalls
from steno_ingest.calls.log.recording.recorder import Recorder
from steno_ingest.calls.log.recording.recording_jobs import RecordingJobs
from steno_ingest.recordings.intake import Intake
from steno_ingest.settings import IngestSettings

_GATHER_SECONDS = 0.2
"""How long records collect before a fetch; latency does not matter here, so a few large fetches are cheaper."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CallLogParts:
    """The components, in the order of their stop."""

    inactive_calls: InactiveCalls
    consumer: LogConsumer


def read_call_log(
    settings: IngestSettings,
    cluster: Cluster,
    *,
    ledger: CallLedger,
    accounts: AccountRows,
    intake: Intake,
    objects: ObjectStore,
    hosted: Callable[[str], bool],
) -> CallLogParts:
    """Builds the components of the call log.

    Args:
        hosted: Whether a call is in this process, with its peer connected or awaited.
    """
    pieces = PieceStore(objects)
    recorder = Recorder(intake=intake, ledger=ledger, accounts=accounts, pieces=pieces, second_pass=settings.second_pass)
    call_log = CallLog(
        ledger=ledger,
        accounts=accounts,
        flusher=Flusher(ledger, accounts, pieces),
        jobs=RecordingJobs(recorder.finish, give_up=recorder.give_up),
        record_calls=settings.record_calls,
        one_way_seconds=settings.one_way_seconds,
        keep_digits=settings.keep_digits,
    )
    consumer = LogConsumer(
        cluster,
        group="calls",
        subscribe=CALL_AUDIO,
        handler=call_log,
        gather_seconds=_GATHER_SECONDS,
    )
    inactive_calls = InactiveCalls(
        call_log,
        cluster.producer,
        behind=consumer.behind,
        hosted=hosted,
        inactive_seconds=settings.inactive_seconds,
        paused_seconds=settings.paused_seconds,
        max_seconds=settings.max_call_hours * 3600,
    )
    return CallLogParts(inactive_calls=inactive_calls, consumer=consumer)
