"""Defines the tables of live calls, the same on SQLite and PostgreSQL; they use the metadata of `steno_ingest.tables`.

`calls` has the current state of each call, `call_entries` one row for each state it came to. Rows of `call_passes` and
`call_phrases` may come before their call.
"""

from sqlalchemy import JSON, BigInteger, Boolean, Column, ForeignKey, Index, Integer, String, Table, Text, false, text

from steno.storage.columns import UtcDateTime
from steno_ingest.calls.ledger.states import ENDED
from steno_ingest.tables import ID, SEQUENCE, metadata

_STATE = String(16)
_ENDS = text("to_state IN ({})".format(", ".join(f"'{state}'" for state in ENDED)))
_OPEN = text("ended_at IS NULL")
_UNFINISHED = text("finished_at IS NULL")

calls = Table(
    "calls",
    metadata,
    Column("call_id", ID, primary_key=True),
    Column("state", _STATE, nullable=False),
    # The way it came in: the protocol of its door, or kafka.
    Column("door", String(16), nullable=False),
    # The instance that has its socket; empty where none of ours has.
    Column("instance", Text, nullable=False),
    # Digest of CallStarted: the same call comes again, another one must not.
    Column("fingerprint", String(64), nullable=False),
    Column("codec", String(16), nullable=False),
    Column("sample_rate", Integer, nullable=False),
    Column("channels", JSON, nullable=False),
    Column("locale", Text, nullable=False),
    Column("protocol", Text, nullable=False),
    Column("properties", JSON, nullable=False),
    Column("paused", Boolean, nullable=False),
    # Who asked last to pause or to go on, and why.
    Column("pause_requested_by", Text, nullable=False),
    Column("pause_reason", Text, nullable=False),
    # Whether its peer pauses it beside whoever asked.
    Column("paused_by_peer", Boolean, nullable=False, server_default=false()),
    # Who asked to go on where only the peer pauses it; empty once the peer was asked.
    Column("resume_asked_by", Text, nullable=False, server_default=""),
    # Somebody asked to end the call; whoever has its socket does it.
    Column("end_requested_by", Text, nullable=False),
    Column("roles_revision", Integer, nullable=False),
    # Of two corrections the later one counts, whichever comes first.
    Column("roles_corrected_at", UtcDateTime),
    # Samples of one channel that the call log has heard.
    Column("heard_position", BigInteger, nullable=False),
    Column("heard_at", UtcDateTime),
    # What its end said; the position is where its audio ends.
    Column("end_position", BigInteger),
    Column("complete", Boolean, nullable=False),
    Column("end_reason", Text, nullable=False),
    Column("end_error", Text, nullable=False),
    # Why it failed: for a person, and for programs.
    Column("reason", Text, nullable=False),
    Column("error", Text, nullable=False),
    Column("current_recording_id", ID, nullable=False),
    # The recording made of its audio once that was over; empty while there is none.
    Column("audio_recording_id", ID, nullable=False, server_default=""),
    Column("audio_url", Text, nullable=False, server_default=""),
    # By our clock: pages are ordered by it.
    Column("accepted_at", UtcDateTime, nullable=False),
    # By the clock of whoever published its start and end.
    Column("started_at", UtcDateTime, nullable=False),
    Column("ended_at", UtcDateTime),
    Column("updated_at", UtcDateTime, nullable=False),
    # Empty: it belongs to no tenant.
    Column("tenant", String(64), nullable=False, server_default=""),
    # Of its CallStarted; empty where it is published on Kafka.
    Column("writer", String(64), nullable=False, server_default=""),
    # Length of its chunks, in milliseconds; 0: it is published on Kafka, or began before this was kept.
    Column("chunk_ms", Integer, nullable=False, server_default="0"),
    Index("ix_calls_page", "accepted_at", "call_id"),
    Index("ix_calls_tenant_page", "tenant", "accepted_at", "call_id"),
    Index("ix_calls_state_page", "state", "accepted_at", "call_id"),
    Index("ix_calls_open", "instance", sqlite_where=_OPEN, postgresql_where=_OPEN),
)

call_entries = Table(
    "call_entries",
    metadata,
    Column("id", SEQUENCE, primary_key=True, autoincrement=True),
    Column("call_id", ID, ForeignKey("calls.call_id"), nullable=False),
    # None: it was accepted.
    Column("from_state", _STATE),
    Column("to_state", _STATE, nullable=False),
    Column("at", UtcDateTime, nullable=False),
    # The database itself sees to it that a call comes to each state once, and ends once.
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
    # The phrase as transcripts have it.
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
    # What was observed of its audio besides what was said, as transcripts have it.
    Column("observations", JSON, nullable=False, server_default="[]"),
    Column("engine", Text, nullable=False),
    # Why it failed: for a person, and for programs.
    Column("reason", Text, nullable=False),
    Column("error", Text, nullable=False),
    # Whose it is; null where an earlier version kept it.
    Column("tenant", String(64)),
)

call_accounts = Table(
    "call_accounts",
    metadata,
    Column("call_id", ID, primary_key=True),
    # Of call-audio.
    Column("partition", Integer, nullable=False),
    # What stands on the log below this offset is accounted for.
    Column("next_offset", BigInteger, nullable=False),
    # Whether an upstream system publishes the call, and none of our doors has it.
    Column("is_foreign", Boolean, nullable=False),
    Column("ended", Boolean, nullable=False),
    Column("account", JSON, nullable=False),
    # When its recording was made, or it was clear that there is none.
    Column("finished_at", UtcDateTime),
    Index("ix_call_accounts_unfinished", "partition", sqlite_where=_UNFINISHED, postgresql_where=_UNFINISHED),
)
