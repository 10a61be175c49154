"""The REST API: recordings, live calls, transcripts, the ledger and webhooks."""
