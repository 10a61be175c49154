"""Callers: simulated peers of the doors, which play a file into Steno as a live call."""
