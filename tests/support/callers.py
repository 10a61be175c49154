"""Callers for tests that are about something else than who calls."""

from steno.tenants import Caller

OPERATOR = Caller("tester", everything=True)
"""Sees everything."""
