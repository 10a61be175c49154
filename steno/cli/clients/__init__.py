"""Clients of the protocols for live calls, for `steno call` and for tests."""
