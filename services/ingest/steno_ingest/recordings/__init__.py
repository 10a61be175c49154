"""Recordings: their submission, their ledger, and their transcripts."""
