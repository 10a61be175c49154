"""Good callers, their results and latencies, while attackers of every kind are at work."""
