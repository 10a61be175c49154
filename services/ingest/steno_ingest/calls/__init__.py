"""Live calls: the doors they come in by, the hosting of each, their log read back, and the ledger's part of them."""
