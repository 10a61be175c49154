"""Speech models: the catalogue, the cache, and the sources from which models are fetched."""
