"""The metrics of ingest; those of the chassis and of the Kafka kernel are defined there."""

from prometheus_client import Counter, Gauge, Histogram

ACCEPTED = Counter("steno_ingest_accepted", "Recordings accepted; a repetition of one counts once.", ["door"])
STATES = Counter("steno_ingest_states", "Recordings that have entered a state.", ["state"])
CALLS_ACCEPTED = Counter("steno_ingest_calls_accepted", "Live calls accepted.", ["door"])
CALL_STATES = Counter("steno_ingest_call_states", "Live calls that have entered a state.", ["state"])
SECONDS_TO_END = Histogram(
    "steno_ingest_seconds_to_end",
    "Time from accepted to ended; a rise means that transcribers do not keep up.",
    ["state"],
    buckets=(0.5, 1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 14400, 86400),
)
OUTBOX_DEPTH = Gauge(
    "steno_ingest_outbox_depth", "Records in the outbox, not yet on Kafka; a rise means that Kafka is unreachable."
)
OUTBOX_AGE = Gauge("steno_ingest_outbox_age_seconds", "Age of the oldest record in the outbox.")
OUTBOX_REFUSED = Gauge(
    "steno_ingest_outbox_refused",
    "Records that Kafka rejected for good, in the table outbox_refused; look into each one.",
)
LEDGER_UNBALANCED = Gauge(
    "steno_ingest_ledger_unbalanced",
    "1 where the counts of the ledger do not agree: of `recordings`, of `calls`, because of accepted recordings that will "
    "never be published (`unpublished`), or of what has ended (`totals`); counted anew every fifteen minutes.",
    ["part"],
)
UPLOADED_BYTES = Counter("steno_ingest_uploaded_bytes", "Bytes of audio accepted.", ["door"])
FOLDER_FILES = Counter("steno_ingest_folder_files", "Files of the watched folder.", ["outcome"])
CALLS_HOSTED = Gauge("steno_ingest_calls_hosted", "Calls of this process: their peers are connected or may reconnect.")
CALLS_REFUSED = Counter("steno_ingest_calls_refused", "Offered calls that were refused.", ["door", "reason"])
CALL_AUDIO_BYTES = Counter("steno_ingest_call_audio_bytes", "Bytes of call audio received.", ["door"])
CALL_RECORDS_WAITING = Gauge(
    "steno_ingest_call_records_waiting",
    "Records of calls that Kafka has not acknowledged; a rise means that Kafka is slow or away.",
)
RECORDED_BYTES = Counter("steno_ingest_recorded_bytes", "Bytes of calls' audio stored for their recordings.")
HELD_BYTES = Gauge(
    "steno_ingest_recorder_held_bytes",
    "Bytes of calls' audio not stored yet; a rise means that the object store is slow or away.",
)
CALL_NOTES = Counter("steno_ingest_call_notes", "Events of calls: gaps, pauses, silent channels, faults.", ["kind"])
CALL_RECORDS_UNUSABLE = Counter(
    "steno_ingest_call_records_unusable",
    "Records on `call-audio` that cannot be used: of an unknown or ended call, in contradiction to it, or beyond a limit.",
    ["reason"],
)
CALL_RECORDS_REFUSED = Counter(
    "steno_ingest_call_records_refused", "Records of calls that Kafka rejected for good, as too large or not valid."
)
CALL_MESSAGES_UNUSABLE = Counter(
    "steno_ingest_call_messages_unusable",
    "Messages of peers, or values in them, that could not be used and were ignored.",
    ["door", "reason"],
)
CALL_PEERS_CUT_OFF = Counter(
    "steno_ingest_call_peers_cut_off", "Connections closed because of a fault of the peer.", ["door", "reason"]
)
CALL_SECONDS_HELD_BACK = Counter(
    "steno_ingest_call_seconds_held_back",
    "Seconds for which peers were not read (back-pressure) because they sent faster than real time.",
    ["door"],
)
HYPOTHESES_DROPPED = Counter("steno_ingest_hypotheses_dropped", "Hypotheses not sent to a peer that reads too slowly.")
