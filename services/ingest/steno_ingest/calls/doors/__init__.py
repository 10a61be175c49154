"""The protocols that live calls come in by, each a state machine without a socket (`steno_ingest.calls.doors.port`)."""
