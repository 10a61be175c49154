"""Steno transcriber: audio becomes phrases."""
