"""The protocols that live calls come in by, each a state machine without a transport (`steno_ingest.calls.doors.port`).

Pure, but for those modules that say why they are not.
"""
