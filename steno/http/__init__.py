"""HTTP servers and clients: API keys, limits, problems, health and metrics, and a client that calls public addresses only."""
