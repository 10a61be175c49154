"""Handles the records of `call-audio`, and ends inactive calls."""
