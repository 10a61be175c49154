"""Steno ingest: calls and recordings come in; the only front door, and the ledger of jobs."""
