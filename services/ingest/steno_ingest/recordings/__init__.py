"""Recordings: how they come in, what the ledger keeps of each, and the transcripts that come back."""
