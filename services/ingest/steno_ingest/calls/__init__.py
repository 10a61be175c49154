"""Live calls: doors, transports and hosting, the call log, and the ledger of calls."""
