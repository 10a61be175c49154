"""A caller for tests that do not depend on tenants."""

from steno.tenants import Caller

OPERATOR = Caller("tester", everything=True)
"""Sees everything."""
