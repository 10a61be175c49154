"""The REST door: recordings, transcripts, the ledger and webhooks."""
