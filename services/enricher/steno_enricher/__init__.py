"""Steno enricher: phrases become insights."""
