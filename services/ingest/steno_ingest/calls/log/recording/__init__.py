"""Makes the recordings of ended calls."""
