"""Callers for tests that are about something else than who calls."""

from steno.callers import Caller

OPERATOR = Caller("tester", everything=True)
"""Sees everything."""
