"""Speech models: the catalogue, the cache, and what brings a model into it."""
