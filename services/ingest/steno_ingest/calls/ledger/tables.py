"""The tables of live calls, the same on SQLite and PostgreSQL; they use the metadata of `steno_ingest.tables`.

`calls` has the current state of each call, `call_entries` a row for each transition. Rows of `call_passes` and `call_phrases`
may be inserted before their call.
"""

from sqlalchemy import JSON, BigInteger, Boolean, Column, ForeignKey, Index, Integer, String, Table, Text, false, text

from steno.storage.columns import UtcDateTime
from steno_ingest.calls.ledger.states import ENDED
from steno_ingest.tables import ID, SEQUENCE, UNCOUNTED, metadata

_STATE = String(16)
_ENDS = text("to_state IN ({})".format(", ".join(f"'{state}'" for state in ENDED)))
_OPEN = text("ended_at IS NULL")
_UNFINISHED = text("finished_at IS NULL")

calls = Table(
    "calls",
    metadata,
    Column("call_id", ID, primary_key=True),
    Column("state", _STATE, nullable=False),
    # The protocol of its door, or kafka.
    Column("door", String(16), nullable=False),
    # The instance that has its connection; empty for a call of an upstream system.
    Column("instance", Text, nullable=False),
    # Digest of CallStarted, to distinguish a repeated start from another call with the same id.
    Column("fingerprint", String(64), nullable=False),
    Column("codec", String(16), nullable=False),
    Column("sample_rate", Integer, nullable=False),
    Column("channels", JSON, nullable=False),
    Column("locale", Text, nullable=False),
    Column("protocol", Text, nullable=False),
    Column("properties", JSON, nullable=False),
    Column("paused", Boolean, nullable=False),
    # Who requested the last pause or resume by the API, and why.
    Column("pause_requested_by", Text, nullable=False),
    Column("pause_reason", Text, nullable=False),
    # Whether its peer pauses it, alone or together with the service.
    Column("paused_by_peer", Boolean, nullable=False, server_default=false()),
    # Who requested to resume a call that only its peer pauses; empty once the peer was asked.
    Column("resume_asked_by", Text, nullable=False, server_default=""),
    # Who requested its end; the instance with its connection ends it.
    Column("end_requested_by", Text, nullable=False),
    Column("roles_revision", Integer, nullable=False),
    # Time of the last correction; an earlier one that arrives later is ignored.
    Column("roles_corrected_at", UtcDateTime),
    # Samples of one channel that were read from the call log.
    Column("heard_position", BigInteger, nullable=False),
    Column("heard_at", UtcDateTime),
    # The values of its CallEnded; the position is the end of its audio.
    Column("end_position", BigInteger),
    Column("complete", Boolean, nullable=False),
    Column("end_reason", Text, nullable=False),
    Column("end_error", Text, nullable=False),
    # Why it failed, for a person and for programs.
    Column("reason", Text, nullable=False),
    Column("error", Text, nullable=False),
    Column("current_recording_id", ID, nullable=False),
    # The recording made of its audio after its end; empty if there is none.
    Column("audio_recording_id", ID, nullable=False, server_default=""),
    Column("audio_url", Text, nullable=False, server_default=""),
    # By our clock; the order of pages.
    Column("accepted_at", UtcDateTime, nullable=False),
    # By the clock of the publisher.
    Column("started_at", UtcDateTime, nullable=False),
    Column("ended_at", UtcDateTime),
    Column("updated_at", UtcDateTime, nullable=False),
    # Its tenant; empty if it has none.
    Column("tenant", String(64), nullable=False, server_default=""),
    # The writer in its CallStarted; empty for a call of an upstream system.
    Column("writer", String(64), nullable=False, server_default=""),
    # Length of its chunks in milliseconds; 0 for a call of an upstream system, or of an earlier version of Steno.
    Column("chunk_ms", Integer, nullable=False, server_default="0"),
    # What its CallStarted asks of the engine; what is not asked for is left out.
    Column("recognition", JSON, nullable=False, server_default="{}"),
    # Whether the totals of `steno_ingest.totals` contain it.
    Column("counted", Boolean, nullable=False, server_default=false()),
    Index("ix_calls_page", "accepted_at", "call_id"),
    Index("ix_calls_tenant_page", "tenant", "accepted_at", "call_id"),
    Index("ix_calls_state_page", "state", "accepted_at", "call_id"),
    Index("ix_calls_door_page", "door", "accepted_at", "call_id"),
    Index("ix_calls_uncounted", "state", "tenant", "call_id", sqlite_where=UNCOUNTED, postgresql_where=UNCOUNTED),
    Index("ix_calls_open", "instance", sqlite_where=_OPEN, postgresql_where=_OPEN),
)

call_entries = Table(
    "call_entries",
    metadata,
    Column("id", SEQUENCE, primary_key=True, autoincrement=True),
    Column("call_id", ID, ForeignKey("calls.call_id"), nullable=False),
    # NULL: it was accepted.
    Column("from_state", _STATE),
    Column("to_state", _STATE, nullable=False),
    Column("at", UtcDateTime, nullable=False),
    # These indexes ensure that a call enters each state once and ends once.
    Index("uq_call_entries_call_state", "call_id", "to_state", unique=True),
    Index("uq_call_entries_call_end", "call_id", unique=True, sqlite_where=_ENDS, postgresql_where=_ENDS),
    Index("ix_call_entries_states", "from_state", "to_state"),
)

call_events = Table(
    "call_events",
    metadata,
    Column("call_id", ID, primary_key=True),
    # gap_lost, gap_paused, one_way_audio, dtmf, torn, ...
    Column("kind", String(64), primary_key=True),
    Column("position_ms", BigInteger, primary_key=True),
    Column("duration_ms", BigInteger, nullable=False),
    Column("detail", Text, nullable=False),
    Column("at", UtcDateTime, nullable=False),
)

call_phrases = Table(
    "call_phrases",
    metadata,
    Column("phrase_id", ID, primary_key=True),
    Column("call_id", ID, nullable=False),
    Column("sequence", BigInteger, nullable=False),
    Column("channel", BigInteger, nullable=False),
    Column("start_ms", BigInteger, nullable=False),
    Column("revision", BigInteger, nullable=False),
    # The phrase in the form of transcripts.
    Column("content", JSON, nullable=False),
    Index("ix_call_phrases_call", "call_id", "start_ms", "channel"),
)

call_passes = Table(
    "call_passes",
    metadata,
    Column("recording_id", ID, primary_key=True),
    Column("call_id", ID, nullable=False, index=True),
    Column("supersedes", ID, nullable=False),
    Column("state", _STATE, nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("result_url", Text, nullable=False),
    Column("phrase_count", BigInteger, nullable=False),
    Column("duration_ms", BigInteger, nullable=False),
    # The observations about its audio, in the form of transcripts.
    Column("observations", JSON, nullable=False, server_default="[]"),
    Column("engine", Text, nullable=False),
    # Why it failed, for a person and for programs.
    Column("reason", Text, nullable=False),
    Column("error", Text, nullable=False),
    # Its tenant; NULL in rows of earlier versions of Steno.
    Column("tenant", String(64)),
)

call_accounts = Table(
    "call_accounts",
    metadata,
    Column("call_id", ID, primary_key=True),
    # The partition of call-audio.
    Column("partition", Integer, nullable=False),
    # All records below this offset are in the account.
    Column("next_offset", BigInteger, nullable=False),
    # Whether an upstream system publishes the call.
    Column("is_foreign", Boolean, nullable=False),
    Column("ended", Boolean, nullable=False),
    Column("account", JSON, nullable=False),
    # When its recording was made, or it was certain that there is none.
    Column("finished_at", UtcDateTime),
    Index("ix_call_accounts_unfinished", "partition", sqlite_where=_UNFINISHED, postgresql_where=_UNFINISHED),
)
