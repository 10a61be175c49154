"""Logs and traces, configured once at start."""
