"""Decodes audio files to samples."""
