"""The protocols of live calls, each a state machine that is independent of the transport (`steno_ingest.calls.doors.port`).

The modules are pure, except those that say why they are not.
"""
