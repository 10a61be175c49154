"""Audio files become samples."""
