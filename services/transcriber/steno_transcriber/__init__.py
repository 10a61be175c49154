"""The transcriber service: makes phrases and transcripts of recordings and live calls."""
