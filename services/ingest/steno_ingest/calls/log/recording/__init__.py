"""Makes recordings of calls that have ended."""
