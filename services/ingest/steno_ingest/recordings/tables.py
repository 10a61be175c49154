"""The tables of recordings, the same on SQLite and PostgreSQL.

The ledger is kept by double entry: `recordings` has the current state of each, `entries` has a row for each transition.
`steno_ingest.balance` compares the two.
"""

from sqlalchemy import JSON, BigInteger, Boolean, Column, ForeignKey, Index, Integer, String, Table, Text, false, text

from steno.audio_files import LONGEST_FILE_NAME
from steno.storage.columns import UtcDateTime
from steno_ingest.recordings.states import ENDED
from steno_ingest.tables import ID, SEQUENCE, UNCOUNTED, metadata

_STATE = String(16)

recordings = Table(
    "recordings",
    metadata,
    Column("recording_id", ID, primary_key=True),
    Column("call_id", ID, nullable=False, index=True),
    Column("state", _STATE, nullable=False),
    Column("door", String(16), nullable=False),
    # Empty if a result came before the submission.
    Column("url", Text, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("channels", JSON, nullable=False),
    Column("locale", Text, nullable=False),
    Column("properties", JSON, nullable=False),
    Column("accepted_at", UtcDateTime, nullable=False),
    # When it was published on Kafka; NULL while it is in the outbox.
    Column("published_at", UtcDateTime),
    Column("started_at", UtcDateTime),
    Column("ended_at", UtcDateTime),
    # Why it failed, for a person and for programs.
    Column("reason", Text),
    Column("error", Text),
    Column("result_url", Text),
    Column("phrase_count", Integer),
    Column("duration_ms", BigInteger),
    # Length of the audio that could not be decoded, and that is missing in the file.
    Column("damaged_ms", BigInteger),
    Column("missing_ms", BigInteger),
    # Its tenant; empty if it has none.
    Column("tenant", String(64), nullable=False, server_default=""),
    # The name of its file; empty if it is known by URL only.
    Column("file_name", String(LONGEST_FILE_NAME), nullable=False, server_default=""),
    # Whether the totals of `steno_ingest.totals` contain it.
    Column("counted", Boolean, nullable=False, server_default=false()),
    Index("ix_recordings_page", "accepted_at", "recording_id"),
    Index("ix_recordings_tenant_page", "tenant", "accepted_at", "recording_id"),
    Index("ix_recordings_state_page", "state", "accepted_at", "recording_id"),
    Index("ix_recordings_uncounted", "state", "tenant", "recording_id", sqlite_where=UNCOUNTED, postgresql_where=UNCOUNTED),
    Index(
        "ix_recordings_unpublished",
        "recording_id",
        sqlite_where=text("published_at IS NULL"),
        postgresql_where=text("published_at IS NULL"),
    ),
)

_ENDS = ", ".join(f"'{state}'" for state in ENDED)

entries = Table(
    "entries",
    metadata,
    Column("id", SEQUENCE, primary_key=True, autoincrement=True),
    Column("recording_id", ID, ForeignKey("recordings.recording_id"), nullable=False),
    # NULL: it was accepted.
    Column("from_state", _STATE),
    Column("to_state", _STATE, nullable=False),
    Column("at", UtcDateTime, nullable=False),
    # These indexes ensure that a recording enters each state once and ends once.
    Index("uq_entries_recording_state", "recording_id", "to_state", unique=True),
    Index(
        "uq_entries_recording_end",
        "recording_id",
        unique=True,
        sqlite_where=text(f"to_state IN ({_ENDS})"),
        postgresql_where=text(f"to_state IN ({_ENDS})"),
    ),
    Index("ix_entries_states", "from_state", "to_state"),
)

idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    Column("client", String(256), primary_key=True),
    Column("key", String(256), primary_key=True),
    Column("fingerprint", String(64), nullable=False),
    Column("recording_id", ID, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
)
