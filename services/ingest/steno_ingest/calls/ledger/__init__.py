"""The database of live calls: their states, passes, phrases and transcripts, and the accounts of the call log."""
