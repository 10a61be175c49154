"""Audio of calls as pieces in the object store, and as recording files (WAVE, FLAC)."""
