"""Callers: clients of the doors of live calls, for `steno call` and for tests."""
