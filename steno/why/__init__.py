"""The life of one call over topics, the ledger and deliveries, and what of it is missing: behind `steno why`."""
