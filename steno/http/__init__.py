"""HTTP in and out: API keys, health and metrics, and a client that cannot be turned on the inside network."""
