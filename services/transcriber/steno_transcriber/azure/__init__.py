"""Azure Speech as an engine: what its batch half (REST) and its live half (Speech SDK) have in common, and the batch half."""
