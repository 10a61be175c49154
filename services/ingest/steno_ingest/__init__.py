"""Steno ingest: accepts recordings and live calls, and keeps their ledger."""
