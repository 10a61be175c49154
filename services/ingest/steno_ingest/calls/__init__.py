"""Live calls: the doors they come in by, the session each is, what the ledger knows of them, and their recordings."""
