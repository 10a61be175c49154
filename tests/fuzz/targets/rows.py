"""What services left behind for whoever goes on: checkpoints on a topic that others can write, and rows of our own."""

import json
from random import Random
from typing import Any

from fuzz.target import Target
from fuzz.targets.door_stand import CODEC
from fuzz.targets.records import BEGAN, CALL, MOST_MS, any_bytes, call_log, datum
from steno_enricher.call_row import CallRow
from steno_enricher.rows import read_header
from steno_ingest.calls.log.account.account import Account
from steno_transcriber.live.call import LiveCall

from steno.events.codec import UndecodableRecord
from steno.events.records import AudioChunk, AudioCodec, CallCheckpoint, CallStarted, CallState
from steno.events.schemas import UnknownSchema, load_schema
from steno.unusable_records import UnusableRecord


def checkpoint(chance: Random) -> dict[str, Any]:
    """A checkpoint as anybody may write it."""
    fields = datum(chance, load_schema("CallCheckpoint"))
    channels = [{"channel": number, "role": "agent", "participant": ""} for number in range(chance.choice((1, 1, 2, 8)))]
    marks = [{"channel": number, "restart_ms": 0, "final_ms": 0} for number in range(len(channels))]
    decent = {
        "call_id": CALL, "offset": 1, "position": 0, "sequence": 0, "codec": "PCMU", "sample_rate": 8000, "channels": channels,
        "locale": "en-US", "properties": {}, "started_at": BEGAN, "marks": marks, "next_sequence": 0, "paused_from": None,
        "resumed_at": 0, "done": False, "saved_at": BEGAN,
    }  # fmt: skip
    wrong = chance.sample(sorted(fields), k=chance.choice((0, 1, 1, 2, 3)))
    return decent | {name: fields[name] for name in wrong if name in decent}


def go_on(fields: dict[str, Any]) -> None:
    """Whoever goes on from a checkpoint that is a record hears the call, or says that it is broken."""
    try:
        found = CallCheckpoint.model_validate(fields)
    except ValueError:
        return
    if found.codec is AudioCodec.UNKNOWN:
        return  # nothing of such a call is heard
    call = LiveCall(CODEC.decode(CODEC.encode(found)))  # type: ignore[arg-type]
    frame = found.codec.sample_bytes * len(found.channels)
    for number in range(3):
        position = found.position + number * 800
        chunk = {"call_id": CALL, "sequence": found.sequence + number, "position": position, "audio": bytes(frame * 800)}
        try:
            call.add_record(AudioChunk.model_validate(chunk), offset=found.offset + number, written_at=BEGAN)
        except ValueError:
            break
    call.checkpoint(log_end=found.offset + 9, saved_at=BEGAN)
    assert 0 <= call.duration_ms <= MOST_MS or found.position > 0
    call.end()


def restored(records: list[Any]) -> None:
    """An account that was kept goes on as it was."""
    started = records[0]
    assert isinstance(started, CallStarted)
    account = Account(
        call_id=CALL,
        codec=started.codec,
        sample_rate=started.sample_rate,
        channel_count=len(started.channels),
        one_way_seconds=30,
    )
    for record in records[1:]:
        if isinstance(record, AudioChunk):
            try:
                account.apply(record)
            except UnusableRecord as error:
                account.count_unusable(error, record.position)
        account.notes.clear()
        again = Account.from_json(json.loads(json.dumps(account.to_json())))
        assert again == account
        assert again.one_way_audio.silences == account.one_way_audio.silences
        account = again


def call_row(values: list[bytes]) -> None:
    """What is known of a call is kept and read again, whatever was told of it and when."""
    row = CallRow()
    for value in values:
        state = CODEC.decode(value)
        if not isinstance(state, CallState):
            continue  # changed bytes may be a record of another schema, which the topic's readers do not take
        row = row.merge(state)
        kept = row.to_bytes(at=state.updated_at)
        read_header(kept)
        assert CallRow.from_bytes(kept) == row


_OWN = (UndecodableRecord, UnknownSchema)

TARGETS = (
    Target(name="checkpoints", make=checkpoint, put=go_on, own=(UnusableRecord,)),
    Target(name="accounts", make=call_log, put=restored),
    Target(name="call_rows", make=lambda chance: [any_bytes(chance, ("CallState",)) for _ in range(3)], put=call_row, own=_OWN),
)
